//! A child that calls itself what a reader of `/proc` could take for something else.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::AsyncBufReadExt;
use policy::process::{Command, Stdio};
use policy::{
    AutoChildWatcher, ChildWatcher, MultiLoopChildWatcher, PidfdChildWatcher, Runner,
    ThreadedChildWatcher,
};

const NAMES: [&[u8]; 8] = [
    b") Z 1 1 1 1",
    b"(",
    b")",
    b") (",
    b"\n) Z 0",
    b"\xc3\xbe\xc3\xbf",
    b"\xff\xfe",
    "привет, мир".as_bytes(),
];

// Those whose name was not text were not seen, and outlived it.
#[test]
fn no_name_hides_a_process_from_who_kills_its_tree() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        let program = folder.path().join(OsStr::from_bytes(name));
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        policy::run(async {
            // Away from the group: only its parent shows whose it is.
            let mut line = Command::shell("setsid \"$0\" 1000 & echo $!; wait");
            let command = line.arg(&program).kill_tree(true).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut said = String::new();
            let mut out = futures_lite::io::BufReader::new(child.stdout.take().unwrap());
            out.read_line(&mut said).await.unwrap();
            let stat = format!("/proc/{}/stat", said.trim());
            let is_named = |stat: &[u8]| stat.windows(3).any(|part| part.starts_with(&name[..1]));
            // It is `setsid` at first.
            while !std::fs::read(&stat).is_ok_and(|stat| is_named(&stat) && !is_setsid(&stat)) {
                policy::time::sleep(Duration::from_millis(1)).await;
            }
            child.kill().await.unwrap();
            // Its parent is another now, which reaps it.
            let begun = Instant::now();
            while std::fs::read(&stat).is_ok_and(|stat| !has_exited(&stat)) {
                assert!(begun.elapsed() < Duration::from_secs(60), "{name:?} outlives its tree");
                policy::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
}

fn is_setsid(stat: &[u8]) -> bool {
    stat.windows(9).any(|part| part == b"(setsid) ") || stat.windows(5).any(|part| part == b"(sh) ")
}

fn has_exited(stat: &[u8]) -> bool {
    let ends = stat.iter().rposition(|&byte| byte == b')').unwrap();
    stat[ends..].starts_with(b") Z") || stat[ends..].starts_with(b") X")
}

#[test]
fn a_child_is_the_one_that_was_meant_whatever_it_calls_itself() {
    let folder = tempfile::tempdir().unwrap();
    // Its state, its parent and its start would be read from here, if a parenthesis ended it.
    // Nor need it be text, if only since the system cuts it off after 15 bytes.
    for name in NAMES {
        let name = OsStr::from_bytes(name);
        let program = folder.path().join(name);
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let watchers: [Arc<dyn ChildWatcher>; 4] = [
            Arc::new(AutoChildWatcher::new()),
            Arc::new(PidfdChildWatcher::new()),
            Arc::new(ThreadedChildWatcher::new()),
            Arc::new(MultiLoopChildWatcher::new()),
        ];
        for watcher in watchers {
            println!("{name:?}, {watcher:?}");
            let policy = policy::from_name("default").unwrap();
            policy.set_child_watcher(Some(watcher)).unwrap();
            let mut runner = Runner::with_policy(policy);
            runner
                .run(async {
                    let child = Command::new(&program).arg("1000").spawn().unwrap();
                    let by_number = policy::process::watch(child.id());
                    assert!(child.try_wait().unwrap().is_none(), "it has not exited");
                    child.start_kill().unwrap();
                    assert_eq!(child.wait().await.unwrap().signal(), Some(9));
                    println!("{:?}", by_number.await);
                })
                .unwrap();
        }
    }
}
