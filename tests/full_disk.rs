//! What is written behind the writer's back, on a disk that is full, and then has room.
//!
//! Limits and mounts belong to the process, so each test starts this very program again, as
//! the one `story` that its environment names, on every loop: once below a limit on the
//! size of files, once on a file system of a few pages.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod support;

use std::env;
use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use policy::Runner;
use policy::fs::{File, OpenOptions};
use policy::io::{stderr, stdout};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::Ran;

const STORY: &str = "POLICY_TEST_STORY";
const LOOP: &str = "POLICY_TEST_LOOP";
const FOLDER: &str = "POLICY_TEST_FOLDER";

/// How large the file system is, and, with a limit, a file.
const ROOM: usize = 64 * 1024;

/// Runs a story on every loop, and on every sort of disk that can be full.
fn on_every_disk(story: &str) {
    for event_loop in policy::policy_names() {
        for disk in ["limit", "tmpfs"] {
            println!("{story} on {event_loop}, {disk}");
            let folder = support::folder(&format!("{story} {event_loop} {disk}"));
            // Below the limit of a shell, what is over the size of a file is a signal;
            // one that is ignored stays so.
            let mut command = match disk {
                "tmpfs" => {
                    let mut command = Command::new("unshare");
                    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
                    command.arg(concat!(
                        r#"mount -t tmpfs -o size=64k none "$POLICY_TEST_FOLDER" || exit 77; "#,
                        r#"exec "$0" "$@" >"$POLICY_TEST_FOLDER/out" 2>"$POLICY_TEST_FOLDER/err""#
                    ));
                    command
                }
                _ => {
                    let mut command = Command::new("sh");
                    command.arg("-c").arg(concat!(
                        r#"trap "" XFSZ; "#,
                        r#"exec "$0" "$@" >"$POLICY_TEST_FOLDER/out" 2>"$POLICY_TEST_FOLDER/err""#
                    ));
                    command
                }
            };
            command.arg(env::current_exe().unwrap());
            command.args(["story", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
            command.env(STORY, story).env(LOOP, event_loop).env(FOLDER, &folder);
            let ran = Ran::of(&mut command);
            match ran.code {
                Some(77) => println!("skipped: no file system of our own here: {}", ran.err),
                // On the disk that has gone with its namespace, or there still.
                code => assert_eq!(
                    code,
                    Some(0),
                    "{}{}",
                    ran.err,
                    std::fs::read_to_string(folder.join("err")).unwrap_or_default()
                ),
            }
        }
    }
}

/// Not a test: what the others start.
#[test]
#[ignore = "a part of the other tests"]
fn story() {
    let (Ok(story), Ok(name)) = (env::var(STORY), env::var(LOOP)) else { return };
    let disk = Disk { folder: env::var_os(FOLDER).unwrap().into() };
    let mut runner = Runner::with_policy(policy::from_name(&name).unwrap());
    let run = runner.run(async move {
        match &*story {
            "a file" => a_file(&disk).await,
            "gives up" => gives_up(&disk).await,
            "standard output" => a_standard_stream(&disk, "out", stdout()).await,
            "standard error" => a_standard_stream(&disk, "err", stderr()).await,
            _ => unreachable!("{story}"),
        }
    });
    run.unwrap();
    runner.close().unwrap();
}

struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Leaves room for half of what the stories write.
    fn fill(&self) {
        if self.is_limit() {
            set_limit(Some(ROOM as u64 / 2));
        } else {
            std::fs::write(self.path("filler"), vec![0; ROOM / 2]).unwrap();
        }
    }

    fn make_room(&self) {
        if self.is_limit() {
            set_limit(None);
        } else {
            std::fs::remove_file(self.path("filler")).unwrap();
        }
    }

    fn is_limit(&self) -> bool {
        self.folder.to_str().unwrap().ends_with(" limit")
    }
}

fn set_limit(size: Option<u64>) {
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: size.or(before.maximum), ..before }).unwrap();
}

/// Bytes of which every one can be told from its neighbours.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| b'a' + (at % 23) as u8).collect()
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::FileTooLarge)
}

async fn a_file(disk: &Disk) {
    let path = disk.path("file");
    let mut file = open(&path).await;
    disk.fill();
    let all = bytes(ROOM / 4 * 3);
    file.write_all(&all).await.unwrap();
    // Each call that would be wrong without those bytes says why.
    assert!(is_full(&file.flush().await.unwrap_err()));
    assert!(is_full(&file.flush().await.unwrap_err()));
    assert!(is_full(&file.sync_all().await.unwrap_err()));
    assert!(is_full(&file.sync_data().await.unwrap_err()));
    assert!(is_full(&file.set_len(0).await.unwrap_err()));
    assert!(is_full(&file.seek(SeekFrom::Start(0)).await.unwrap_err()));
    assert!(is_full(&file.read(&mut [0; 8]).await.unwrap_err()));
    assert!(is_full(&file.write(b"more").await.unwrap_err()));
    assert!(is_full(&file.close().await.unwrap_err()));
    disk.make_room();
    file.write_all(b"more").await.unwrap();
    file.flush().await.unwrap();
    file.sync_all().await.unwrap();
    let expected: Vec<u8> = all.into_iter().chain(*b"more").collect();
    assert!(std::fs::read(&path).unwrap() == expected, "nothing is lost, nothing twice");
    // And the position is behind it.
    assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), expected.len() as u64);
}

async fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create_new(true).open(path).await.unwrap()
}

async fn gives_up(disk: &Disk) {
    let path = disk.path("file");
    let mut file = open(&path).await;
    disk.fill();
    let all = bytes(ROOM / 4 * 3);
    file.write_all(&all).await.unwrap();
    assert!(is_full(&file.flush().await.unwrap_err()));
    let left = file.take_unwritten();
    assert!(!left.is_empty());
    file.flush().await.unwrap();
    assert_eq!(file.seek(SeekFrom::Start(0)).await.unwrap(), 0);
    let mut written = Vec::new();
    file.read_to_end(&mut written).await.unwrap();
    written.extend(left);
    assert!(written == all, "what was written and what was not are all there was");
    assert!(file.take_unwritten().is_empty());
    disk.make_room();
}

async fn a_standard_stream(disk: &Disk, name: &str, mut out: impl AsyncWrite + Unpin) {
    let path = disk.path(name);
    // The harness has written, too.
    let at = std::fs::metadata(&path).unwrap().len() as usize;
    disk.fill();
    let all = bytes(ROOM / 4 * 3);
    let mut rest = &all[..];
    // As `write_all`, of which nobody knows how far it came.
    let full = loop {
        match out.write(rest).await {
            Ok(written) => rest = &rest[written..],
            Err(error) => break error,
        }
        if rest.is_empty() {
            break out.flush().await.unwrap_err();
        }
    };
    assert!(is_full(&full), "{full:?}");
    assert!(is_full(&out.flush().await.unwrap_err()));
    assert!(is_full(&out.close().await.unwrap_err()));
    disk.make_room();
    out.write_all(rest).await.unwrap();
    out.write_all(b"more").await.unwrap();
    out.flush().await.unwrap();
    let expected: Vec<u8> = all.iter().copied().chain(*b"more").collect();
    let written = std::fs::read(&path).unwrap();
    assert!(written[at..] == expected[..], "nothing is lost, nothing twice");
}

#[test]
fn a_file_keeps_what_a_full_disk_refused_and_writes_it_when_there_is_room() {
    on_every_disk("a file");
}

#[test]
fn what_a_file_could_not_write_can_be_taken_out_of_it() {
    on_every_disk("gives up");
}

#[test]
fn standard_output_keeps_what_a_full_disk_refused() {
    on_every_disk("standard output");
}

#[test]
fn standard_error_keeps_what_a_full_disk_refused() {
    on_every_disk("standard error");
}
