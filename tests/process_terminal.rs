//! Terminals: those that children get, and ours, which a child may have for a while.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "support/ignored.rs"]
mod ignored;
mod process_support;

use std::io::BufRead;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::process::{Command, Pty};
use policy::{ErrorKind, Runner};

use ignored::is_ignored;
use process_support::{everywhere, on_every_loop, sh, state_of};

/// Reads until the terminal has shown this, and returns all that it has shown.
async fn shown(pty: &mut Pty, what: &str) -> String {
    let mut all = String::new();
    while !all.contains(what) {
        let mut buf = [0; 1000];
        let read = pty.read(&mut buf).await.unwrap();
        assert!(read > 0, "the end comes before {what:?}, after {all:?}");
        all.push_str(&String::from_utf8_lossy(&buf[..read]));
    }
    all
}

#[test]
fn a_shell_runs_in_a_terminal_of_its_own() {
    if is_ignored("INT") {
        return;
    }
    everywhere(|| async {
        let mut command = Command::new("/bin/sh");
        let mut child = command.arg("-i").env("PS1", "$ ").pty().spawn().unwrap();
        let mut pty = child.pty.take().unwrap();
        shown(&mut pty, "$ ").await;
        assert_eq!(pty.size().unwrap(), (24, 80));
        pty.resize(33, 111).unwrap();
        pty.write_all(b"stty size\n").await.unwrap();
        shown(&mut pty, "33 111").await;
        // It is the controlling one, and the shell controls jobs there.
        pty.write_all(b"echo $((40 + 2)) > /dev/tty\n").await.unwrap();
        shown(&mut pty, "42").await;
        pty.write_all(b"sleep 1000; echo interrupted: $?\n").await.unwrap();
        shown(&mut pty, "echo interrupted").await;
        while !std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            stat.contains("(sleep)") && parent == Some(&*child.id().to_string())
        }) {
            policy::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        pty.write_all(b"\x03").await.unwrap();
        pty.write_all(b"exit 7\n").await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        let mut rest = String::new();
        pty.read_to_string(&mut rest).await.unwrap();
    });
}

#[test]
fn what_is_written_to_a_terminal_is_collected_and_input_is_typed() {
    on_every_loop(|| async {
        let output = sh("tty; echo why >&2").pty().output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("/dev/") && said.ends_with("why\r\n"), "{said:?}");
        for (input, read) in [("hello", "5"), ("hello\n", "6"), ("", "0")] {
            let mut child = sh("stty -echo; echo ready; wc -c").pty().spawn().unwrap();
            shown(child.pty.as_mut().unwrap(), "ready\r\n").await;
            let output = child.communicate(input).await.unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), read);
        }
        // More than a terminal holds, and nobody reads it.
        assert!(sh("seq 100000").pty().status().await.unwrap().success());
        // Each start has its own, and the command is as it was.
        let mut command = sh("exit 3");
        command.pty();
        for _ in 0..2 {
            assert_eq!(command.status().await.unwrap().code(), Some(3));
            assert_eq!(command.output().await.unwrap().status.code(), Some(3));
        }
    });
}

#[test]
fn dropping_our_side_hangs_up() {
    if is_ignored("HUP") {
        return;
    }
    on_every_loop(|| async {
        let mut child = sh("echo ready; exec sleep 1000").pty().spawn().unwrap();
        shown(child.pty.as_mut().unwrap(), "ready").await;
        drop(child.pty.take());
        child.wait().await.unwrap();
        assert_eq!(child.returncode(), Some(-1));
    });
}

/// What runs in a terminal: this program again, with one test. Talks to it by `talk`.
async fn in_terminal(test: &str, talk: impl AsyncFnOnce(&mut Pty)) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let mut child = command.env(INSIDE, test).pty().spawn().unwrap();
    let mut pty = child.pty.take().unwrap();
    talk(&mut pty).await;
    let mut rest = String::new();
    pty.read_to_string(&mut rest).await.unwrap();
    assert!(child.wait().await.unwrap().success(), "{rest}");
}

const INSIDE: &str = "POLICY_TEST_IN_TERMINAL";

fn is_inside(test: &str) -> bool {
    std::env::var(INSIDE).is_ok_and(|inside| inside == test)
}

fn read_line() -> String {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn a_child_in_the_foreground_has_the_terminal_and_gives_it_back() {
    const ME: &str = "a_child_in_the_foreground_has_the_terminal_and_gives_it_back";
    if is_inside(ME) {
        for (name, watcher) in process_support::watchers() {
            let policy = process_support::policy_with("default", watcher());
            let mut runner = Runner::with_policy(policy);
            runner
                .run(async {
                    // Used to be stopped when it read, and `wait` to hang.
                    let mut command = sh("echo child; read x; echo got:$x");
                    command.kill_tree(true).foreground(true);
                    assert!(command.status().await.unwrap().success());
                    println!("parent {name}");
                    assert_eq!(read_line(), "back");

                    // A start that fails has taken it, too.
                    let mut command = Command::new("no-such");
                    assert!(command.foreground(true).status().await.is_err());
                    println!("again");
                    assert_eq!(read_line(), "again");

                    // And a child that is dropped, or killed.
                    let mut command = sh("echo killed; exec sleep 1000");
                    let child = command.foreground(true).kill_tree(true).spawn().unwrap();
                    child.kill().await.unwrap();
                    println!("third");
                    assert_eq!(read_line(), "third");
                })
                .unwrap();
        }
        println!("all done");
        return;
    }
    policy::run(in_terminal(ME, async |pty| {
        for (name, _) in process_support::watchers() {
            shown(pty, "child\r\n").await;
            pty.write_all(b"hello\n").await.unwrap();
            shown(pty, &format!("parent {name}\r\n")).await;
            pty.write_all(b"back\n").await.unwrap();
            shown(pty, "again\r\n").await;
            pty.write_all(b"again\n").await.unwrap();
            shown(pty, "third\r\n").await;
            pty.write_all(b"third\n").await.unwrap();
        }
        shown(pty, "all done").await;
    }));
}

#[test]
fn without_the_option_a_child_with_a_group_of_its_own_is_stopped_when_it_reads() {
    const ME: &str = "without_the_option_a_child_with_a_group_of_its_own_is_stopped_when_it_reads";
    if is_inside(ME) {
        policy::run(async {
            let child = sh("read x").kill_tree(true).spawn().unwrap();
            process_support::eventually("it stops", || state_of(child.id()) == Some('T'));
            child.kill().await.unwrap();
        });
        return;
    }
    policy::run(in_terminal(ME, async |_| {}));
}

#[test]
fn a_process_without_a_terminal_has_none_to_give() {
    const ME: &str = "a_process_without_a_terminal_has_none_to_give";
    if is_inside(ME) {
        return policy::run(async {
            let mut command = sh("exit 4");
            assert_eq!(command.foreground(true).status().await.unwrap().code(), Some(4));
        });
    }
    policy::run(async {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([ME, "--exact", "--test-threads=1"]).env(INSIDE, ME).session();
        assert!(command.output().await.unwrap().status.success());
    });
}

#[test]
fn terminals_exclude_what_they_bring_themselves() {
    on_every_loop(|| async {
        let mut input = sh("cat");
        input.input("hello").pty();
        let mut stderr = sh("true");
        stderr.pty().stderr(policy::process::Stdio::null());
        let mut both = sh("true");
        both.foreground(true).pty();
        let mut session = sh("true");
        session.foreground(true).session();
        for (mut command, names) in [
            (input, ["pty", "input"]),
            (stderr, ["pty", "stderr"]),
            (both, ["pty", "foreground"]),
            (session, ["session", "foreground"]),
        ] {
            let error = command.spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let said = error.to_string();
            assert!(names.iter().all(|name| said.contains(&format!("`{name}`"))), "{said}");
        }
    });
}
