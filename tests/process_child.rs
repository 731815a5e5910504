//! What a child does, on every loop and with every watcher.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::zombie_processes,
    reason = "a test that fails panics"
)]

mod process_support;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};
use policy::ErrorKind;
use policy::process::{Command, Stdio};

use process_support::{eventually, everywhere, on_every_loop, sh, state_of};

#[test]
fn a_child_gives_the_same_status_to_all_who_wait_and_again() {
    everywhere(|| async {
        let child = sh("exit 7").spawn().unwrap();
        let (one, two) = futures_lite::future::zip(child.wait(), child.wait()).await;
        assert_eq!(one.unwrap().code(), Some(7));
        assert_eq!(two.unwrap().code(), Some(7));
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
        assert_eq!(child.returncode(), Some(7));
    });
}

#[test]
fn a_return_code_is_the_negative_number_of_the_signal() {
    everywhere(|| async {
        let mut child = sh("read line; kill -9 $$").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.returncode(), None);
        child.stdin.as_mut().unwrap().write_all(b"\n").await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        assert_eq!(child.returncode(), Some(-9));
        for signal in [15, 10] {
            let child = Command::new("sleep").arg("1000").spawn().unwrap();
            child.send_signal(signal).unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(signal));
            assert_eq!(child.returncode(), Some(-signal));
        }
    });
}

#[test]
fn a_wait_that_is_dropped_midway_takes_nothing_with_it() {
    everywhere(|| async {
        let mut child = sh("read line; exit 3").stdin(Stdio::piped()).spawn().unwrap();
        // Out of the child, so that a wait does not close it.
        let mut stdin = child.stdin.take().unwrap();
        for _ in 0..5 {
            let pause = policy::time::sleep(Duration::from_millis(1));
            let exited = async { Some(child.wait().await) };
            assert!(
                exited
                    .or(async {
                        pause.await;
                        None
                    })
                    .await
                    .is_none()
            );
        }
        stdin.write_all(b"\n").await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
    });
}

#[test]
fn a_wait_closes_the_input_that_nobody_took() {
    everywhere(|| async {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_hundred_children_at_once_each_have_their_own_status() {
    everywhere(|| async {
        let children: Vec<_> =
            (0..100).map(|code| (code, sh(format!("exit {code}")).spawn().unwrap())).collect();
        for (code, child) in children {
            assert_eq!(child.wait().await.unwrap().code(), Some(code));
        }
    });
}

#[test]
fn a_stopped_child_has_not_exited() {
    everywhere(|| async {
        let child = sh("kill -STOP $$; exit 5").spawn().unwrap();
        eventually("the child stops", || state_of(child.id()) == Some('T'));
        assert!(child.try_wait().unwrap().is_none());
        child.send_signal(libc::SIGCONT).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
    });
}

#[test]
fn a_kill_ends_the_child_and_another_is_told_that_it_came_too_late() {
    everywhere(|| async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.returncode(), Some(-9));
        assert_eq!(child.kill().await.unwrap_err().kind(), ErrorKind::ChildExited);
        assert_eq!(child.start_kill().unwrap_err().kind(), ErrorKind::ChildExited);
        assert_eq!(child.send_signal(15).unwrap_err().kind(), ErrorKind::ChildExited);
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    });
}

#[test]
fn a_signal_to_a_zombie_is_too_late_and_takes_no_status() {
    everywhere(|| async {
        let child = sh("exit 5").spawn().unwrap();
        // A thread may reap it at any time; the answer is the same.
        eventually("the child exits", || matches!(state_of(child.id()), None | Some('Z')));
        assert_eq!(child.send_signal(15).unwrap_err().kind(), ErrorKind::ChildExited);
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
    });
}

#[test]
fn a_number_that_is_no_signal_is_refused_and_0_only_asks() {
    everywhere(|| async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(child.send_signal(999).unwrap_err().kind(), ErrorKind::InvalidInput);
        child.send_signal(0).unwrap();
        child.kill().await.unwrap();
    });
}

#[test]
fn a_child_that_heeds_sigterm_is_not_killed() {
    everywhere(|| async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let status = child.terminate(Duration::from_secs(50)).await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        // Once more, to one that has ended: how it ended.
        assert_eq!(child.terminate(Duration::ZERO).await.unwrap(), status);
    });
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_after_its_grace() {
    everywhere(|| async {
        let mut child = sh("trap '' TERM; echo; while :; do sleep 1000; done")
            .stdout(Stdio::piped())
            .kill_tree(true)
            .spawn()
            .unwrap();
        // It says when it ignores the signal.
        let mut byte = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut byte).await.unwrap();
        let status = child.terminate(Duration::from_millis(50)).await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_tree_is_killed_with_its_leader() {
    everywhere(|| async {
        let mut child = sh("sleep 1000 & sleep 1001 & echo $!; wait")
            .stdout(Stdio::piped())
            .kill_tree(true)
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut byte = [0];
        stdout.read_exact(&mut byte).await.unwrap();
        child.kill().await.unwrap();
        // The pipe ends when the last of them is gone.
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).await.unwrap();
    });
}

#[test]
fn output_collects_both_streams_as_often_as_asked() {
    everywhere(|| async {
        let mut command = sh("echo out; echo err >&2; exit 4");
        for _ in 0..2 {
            let output = command.output().await.unwrap();
            assert_eq!(output.status.code(), Some(4));
            assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"err\n"[..]));
            assert!(!output.truncated);
        }
    });
}

#[test]
fn much_output_on_both_streams_at_once_does_not_jam() {
    on_every_loop(|| async {
        let output =
            sh("head -c 20000000 /dev/zero & head -c 10000000 /dev/zero >&2; wait").output().await;
        let output = output.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (20_000_000, 10_000_000));
    });
}

#[test]
fn much_goes_in_while_much_comes_out() {
    on_every_loop(|| async {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sent: Vec<u8> = (0..5_000_000u32).map(|n| n as u8).collect();
        let feed = async {
            stdin.write_all(&sent).await.unwrap();
            drop(stdin);
        };
        let (output, ()) = futures_lite::future::zip(child.wait_with_output_then(), feed).await;
        assert_eq!(output.len(), sent.len());
    });
}

#[test]
fn a_child_that_reads_no_more_gives_broken_pipe() {
    on_every_loop(|| async {
        let mut child = sh("exec <&-; exit 6").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let error = stdin.write_all(&vec![0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(child.wait().await.unwrap().code(), Some(6));
    });
}

#[test]
fn what_was_written_before_the_exit_is_read_after_it() {
    on_every_loop(|| async {
        let mut child = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        child.wait().await.unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello\n");
    });
}

#[test]
fn one_child_writes_to_another() {
    on_every_loop(|| async {
        let mut one = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        let pipe = one.stdout.take().unwrap().into_stdio().unwrap();
        let output = Command::new("cat").stdin(pipe).output().await.unwrap();
        assert_eq!(output.stdout, b"hello\n");
        one.wait().await.unwrap();
    });
}

#[test]
fn a_grandchild_that_holds_the_pipe_holds_the_output_no_longer_than_allowed() {
    on_every_loop(|| async {
        let output = sh("echo hello; sleep 1000 & echo $! >&2")
            .wait_delay(Duration::from_millis(100))
            .output()
            .await
            .unwrap();
        assert_eq!(output.stdout, b"hello\n");
        assert!(output.truncated);
        let grandchild = String::from_utf8(output.stderr).unwrap();
        sh(format!("kill {grandchild}")).status().await.unwrap();
    });
}

#[test]
fn a_child_that_writes_too_much_is_killed() {
    on_every_loop(|| async {
        let mut command = Command::new("yes");
        let error = command.max_output(100_000).output().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
        // Not because its pipe is closed: it is still there.
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let error = child.communicate("").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
        let status = policy::time::timeout(Duration::from_secs(20), child.wait()).await;
        assert_eq!(status.expect("it runs on").unwrap().signal(), Some(9));
    });
}

#[test]
fn asyncios_calls_start_children() {
    everywhere(|| async {
        let child = policy::create_subprocess_exec("sh", ["-c", "exit 3"]).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let child = policy::create_subprocess_shell("exit 4").await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
    });
}

#[test]
fn a_child_of_others_can_be_watched_by_many() {
    everywhere(|| async {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read line; exit 9"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let one = policy::process::watch(child.id());
        let two = policy::process::watch(child.id());
        drop(child.stdin.take());
        assert_eq!(one.await.unwrap().code(), Some(9));
        assert_eq!(two.await.unwrap().code(), Some(9));
        let error = policy::process::watch(child.id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchProcess);
    });
}

#[test]
fn a_process_that_is_no_child_is_not_watched() {
    everywhere(|| async {
        let error = policy::process::watch(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotOurChild);
        let error = policy::process::watch(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchProcess);
        let error = policy::process::watch(u32::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchProcess);
    });
}

trait ThenOutput {
    async fn wait_with_output_then(self) -> Vec<u8>;
}

impl ThenOutput for policy::process::Child {
    async fn wait_with_output_then(self) -> Vec<u8> {
        self.wait_with_output().await.unwrap().stdout
    }
}
