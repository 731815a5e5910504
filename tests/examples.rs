//! The examples, run as a user runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "support/ran.rs"]
mod ran;
mod support;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
#[cfg(target_os = "linux")]
use std::thread;

use ran::Ran;

/// Returns the path of an example. All that are tested are built at once.
fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn build() -> PathBuf {
    let mut names = vec!["custom_policy", "proactor_copy"];
    if cfg!(feature = "tokio") {
        names.push("library");
    }
    if cfg!(all(feature = "smol", feature = "tokio")) {
        names.push("two_loops");
    }
    support::examples(&names)
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => fs::create_dir_all(&folder).unwrap(),
    }
    folder
}

#[test]
fn custom_policy_counts_the_loops_that_it_made() {
    let printed = Ran::of(&mut Command::new(example("custom_policy"))).printed();
    // One for `run`, and one for `get_event_loop`, which calls the override.
    assert_eq!(printed.lines().filter(|line| line.contains("is made")).count(), 2, "{printed}");
    assert!(printed.contains("1 + 2 = 3"), "{printed}");
    assert!(printed.contains("6 × 7 = 42"), "{printed}");
    assert!(printed.ends_with("2 loops were made\n"), "{printed}");
}

#[cfg(feature = "tokio")]
#[test]
fn library_gives_the_same_under_a_policy_and_under_plain_tokio() {
    let printed = Ran::of(&mut Command::new(example("library"))).printed();
    assert_eq!(printed.matches("the sum of squares is 385").count(), 2, "{printed}");
    assert!(printed.contains("under #[tokio::main]"), "{printed}");
    assert!(printed.contains("no event loop is running on this thread"), "{printed}");
}

#[cfg(all(feature = "smol", feature = "tokio"))]
#[test]
fn two_loops_tasks_go_from_loop_to_loop() {
    let printed = Ran::of(&mut Command::new(example("two_loops"))).printed();
    for time in 1..=3 {
        let here = "on smol:current_thread in thread main";
        let there = "on tokio:current_thread in thread tokio-loop";
        let expected = format!("{time}: {here}\n{time}: {there}, and back {here}\n");
        assert!(printed.contains(&expected), "{expected}in:\n{printed}");
    }
}

#[test]
fn proactor_copy_copies_a_file_on_every_loop() {
    let folder = folder("proactor-copy");
    let (source, target) = (folder.join("source"), folder.join("target"));
    // Several parts, and a rest.
    let bytes: Vec<u8> = (0..3_000_001_u32).flat_map(u32::to_le_bytes).collect();
    for name in policy::policy_names() {
        for size in [bytes.len(), 256 << 10, 1, 0] {
            fs::write(&source, &bytes[..size]).unwrap();
            // It was longer: nothing of that is left.
            fs::write(&target, &bytes).unwrap();
            let mut copy = Command::new(example("proactor_copy"));
            let printed = Ran::of(copy.args(["--loop", name]).args([&source, &target])).printed();
            assert!(printed.starts_with(&format!("copied {size} bytes on ")), "{printed}");
            assert!(fs::read(&target).unwrap() == bytes[..size], "{name}: {size} other bytes");
        }
    }
}

#[test]
fn proactor_copy_says_what_is_wrong() {
    let folder = folder("proactor-copy-wrong");
    let (here, missing) = (folder.join("here"), folder.join("missing"));
    fs::write(&here, "kept").unwrap();
    let run = |args: &[&OsStr]| Ran::of(Command::new(example("proactor_copy")).args(args));
    for (from, to) in [(&missing, &here), (&here, &here), (&here, &folder)] {
        let ran = run(&[from.as_os_str(), to.as_os_str()]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
        assert!(
            ran.err.starts_with("proactor_copy: ") && ran.err.lines().count() == 1,
            "{}",
            ran.err
        );
    }
    assert_eq!(fs::read_to_string(&here).unwrap(), "kept");
    for args in [&[][..], &["--loop"], &["one"], &["--loop", "default", "one", "two", "three"]] {
        let args: Vec<_> = args.iter().map(OsStr::new).collect();
        let ran = run(&args);
        assert_eq!(ran.code, Some(2));
        assert!(ran.err.starts_with("usage: "), "{}", ran.err);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn proactor_copy_copies_what_is_no_file() {
    for name in policy::policy_names() {
        let mut copy = Command::new(example("proactor_copy"));
        copy.args(["--loop", name, "/dev/stdin", "/dev/stderr"]);
        let mut copy = copy
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = copy.stdin.take().unwrap();
        let writer = thread::spawn(move || {
            std::io::Write::write_all(&mut stdin, &[7; 300_000]).unwrap();
        });
        let output = copy.wait_with_output().unwrap();
        writer.join().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.starts_with("copied 300000 bytes"), "{said}");
        assert!(output.stderr == [7; 300_000], "{name}: other bytes");
    }
}

#[test]
fn proactor_copy_stands_between_clients_and_a_server_on_every_loop() {
    for name in policy::policy_names() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut proxy = Command::new(example("proactor_copy"));
        proxy.args(["--loop", name, "--proxy", "127.0.0.1:0"]);
        proxy.arg(server.local_addr().unwrap().to_string());
        let mut proxy = proxy.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        // An echo of all that comes, once it has ended.
        let echo = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut peer, _) = server.accept().unwrap();
                let mut all = Vec::new();
                std::io::Read::read_to_end(&mut peer, &mut all).unwrap();
                std::io::Write::write_all(&mut peer, &all).unwrap();
            }
        });
        for size in [0, 2_000_000] {
            let mut client = std::net::TcpStream::connect(&address).unwrap();
            let sent = vec![9; size];
            std::io::Write::write_all(&mut client, &sent).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut back = Vec::new();
            std::io::Read::read_to_end(&mut client, &mut back).unwrap();
            assert!(back == sent, "{name}: {} bytes came back", back.len());
        }
        echo.join().unwrap();
        proxy.kill().unwrap();
        proxy.wait().unwrap();
    }
}
