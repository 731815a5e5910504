//! Children that tokio and async-process reap, beside our own in one process.
#![cfg(all(
    target_os = "linux",
    feature = "default-loop",
    feature = "tokio",
    feature = "async-process"
))]
#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod process_support;

use std::future::Future;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy::process::{Child, ChildOwner, ForeignChild, Stdio};
use policy::{
    AutoChildWatcher, ChildWatcher, ErrorKind, FastChildWatcher, MultiLoopChildWatcher, Runner,
    SubreaperChildWatcher,
};
use tokio::runtime::{Builder, Runtime};

use process_support::{
    children, eventually, nothing_is_left, on_every_loop, policy_with, sh, state_of,
};

/// Where tokio's children are at home: a runtime beside the loops, whatever those are.
static TOKIO: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

fn tokio_sh(line: impl Into<String>) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg(line.into());
    command
}

fn tokio_child(line: impl Into<String>) -> ForeignChild {
    let _entered = TOKIO.enter();
    tokio_sh(line).spawn().unwrap().into()
}

fn async_process_sh(line: impl Into<String>) -> async_process::Command {
    let mut command = async_process::Command::new("sh");
    command.arg("-c").arg(line.into());
    command
}

fn async_process_child(line: impl Into<String>) -> ForeignChild {
    async_process_sh(line).spawn().unwrap().into()
}

/// One of each kind.
fn both(line: &str) -> [ForeignChild; 2] {
    [tokio_child(line), async_process_child(line)]
}

alone! {
    fn a_hundred_of_each_kind_beside_our_own_have_their_own_statuses_and_leave_nothing() {
        LazyLock::force(&TOKIO);
        nothing_is_left_on_every_loop(|| async {
            let mut foreign = Vec::new();
            let mut own: Vec<(i32, Child)> = Vec::new();
            for code in 0..100 {
                let line = format!("exit {code}");
                foreign.push((code, tokio_child(&line)));
                foreign.push((code + 100, async_process_child(format!("exit {}", code + 100))));
                own.push((code, sh(&line).spawn().unwrap()));
            }
            for (code, child) in foreign {
                assert_eq!(child.wait().await.unwrap().code(), Some(code));
                assert_eq!(child.returncode(), Some(code));
            }
            for (code, child) in own {
                assert_eq!(child.wait().await.unwrap().code(), Some(code));
            }
            assert_eq!(children(), []);
        });
    }

    fn no_watcher_of_ours_takes_the_status_of_a_foreign_child() {
        // The owner would find that it was reaped by somebody else, and say ECHILD.
        let watchers: [fn() -> Arc<dyn ChildWatcher>; 3] = [
            || Arc::new(FastChildWatcher::new()),
            || Arc::new(MultiLoopChildWatcher::new()),
            || Arc::new(SubreaperChildWatcher::with_grace(Duration::ZERO)),
        ];
        for watcher in watchers {
            let policy = policy_with("default", watcher());
            let mut runner = Runner::with_policy(policy);
            runner
                .run(async {
                    let asked = Arc::new(AtomicUsize::new(0));
                    let (mut stdin, witness) = Witness::start("read line; exit 5", &asked);
                    let foreign = ForeignChild::new(witness);
                    stdin.write_all(b"\n").unwrap();
                    // The thread of SIGCHLD looks at each exit that there is.
                    let own = sh("kill -KILL $$").spawn().unwrap();
                    assert_eq!(own.wait().await.unwrap().signal(), Some(9));
                    assert_eq!(foreign.wait().await.unwrap().code(), Some(5));
                    assert_eq!(asked.load(Ordering::Acquire), 1);
                })
                .unwrap();
            runner.close().unwrap();
        }
    }

    fn a_status_that_a_thief_took_from_the_owner_is_recovered_or_a_typed_error() {
        on_every_loop(|| async {
            for child in both("exec sleep 1000") {
                let pid = i32::try_from(child.id().unwrap()).unwrap();
                child.start_kill().unwrap();
                let pid = rustix::process::Pid::from_raw(pid);
                rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).unwrap();
                match child.wait().await {
                    // Linux 6.15 keeps it.
                    Ok(status) => assert_eq!(status.signal(), Some(9)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::StatusLost),
                }
                assert_eq!(child.start_kill().unwrap_err().kind(), ErrorKind::ChildExited);
            }
        });
    }

    fn dropping_it_does_what_its_owner_promises() {
        on_every_loop(|| async {
            let killed = {
                let _entered = TOKIO.enter();
                let child = tokio_sh("exec sleep 1000").kill_on_drop(true).spawn().unwrap();
                ForeignChild::from(child)
            };
            let killed_too = async_process_sh("exec sleep 1000").kill_on_drop(true).spawn().unwrap();
            let foreign = [killed, ForeignChild::from(killed_too)];
            for child in foreign {
                let id = child.id().unwrap();
                // A wait that was dropped has no say any more.
                let _begun = begin(child.wait()).await;
                drop(child);
                eventually("it is killed", || matches!(state_of(id), None | Some('Z')));
            }
            let left = both("exit 3");
            // Their input is the test's own; they may have ended by themselves.
            drop(left);
        });
        // tokio reaps its orphans when it hears of another exit.
        eventually("they are reaped", || {
            let _next = TOKIO.block_on(async { tokio_sh("true").status().await });
            children().is_empty()
        });
    }
}

#[test]
fn the_same_status_comes_to_all_who_wait_and_again() {
    on_every_loop(|| async {
        for child in both("exit 7") {
            let (one, two) = futures_lite::future::zip(child.wait(), child.wait()).await;
            assert_eq!(one.unwrap().code(), Some(7));
            assert_eq!(two.unwrap().code(), Some(7));
            assert_eq!(child.wait().await.unwrap().code(), Some(7));
            assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
            assert_eq!(child.returncode(), Some(7));
        }
    });
}

#[test]
fn a_wait_that_is_dropped_midway_takes_nothing_with_it() {
    on_every_loop(|| async {
        for child in both("exec sleep 1000") {
            for _ in 0..5 {
                assert!(begin(child.wait()).await.is_none());
            }
            assert_eq!(child.try_wait().unwrap(), None);
            assert_eq!(child.returncode(), None);
            child.kill().await.unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(9));
            assert_eq!(child.returncode(), Some(-9));
        }
    });
}

#[test]
fn a_signal_after_the_exit_comes_too_late_and_is_harmless() {
    on_every_loop(|| async {
        for child in both("exec sleep 1000") {
            child.send_signal(0).unwrap();
            assert_eq!(child.send_signal(1000).unwrap_err().kind(), ErrorKind::InvalidInput);
            child.send_signal(15).unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(15));
            assert_eq!(child.start_kill().unwrap_err().kind(), ErrorKind::ChildExited);
            assert_eq!(child.kill().await.unwrap_err().kind(), ErrorKind::ChildExited);
        }
    });
}

#[test]
fn a_wait_closes_the_input_that_nobody_took() {
    on_every_loop(|| async {
        let tokio = {
            let _entered = TOKIO.enter();
            tokio::process::Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
        };
        assert!(ForeignChild::from(tokio).wait().await.unwrap().success());
        let other = async_process::Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(ForeignChild::from(other).wait().await.unwrap().success());
    });
}

#[test]
fn a_tokio_child_is_awaited_whose_runtime_nobody_drives_or_that_is_gone() {
    on_every_loop(|| async {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let child: ForeignChild = {
            let _entered = runtime.enter();
            tokio_sh("exit 6").spawn().unwrap().into()
        };
        assert_eq!(child.wait().await.unwrap().code(), Some(6));
        let child: ForeignChild = {
            let _entered = runtime.enter();
            tokio_sh("exit 7").spawn().unwrap().into()
        };
        runtime.shutdown_background();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
    });
}

#[test]
fn a_tokio_child_of_the_loop_itself_is_awaited_there() {
    for name in policy::policy_names().into_iter().filter(|name| name.starts_with("tokio")) {
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let status = runner.run(async {
            let child = tokio_sh("exit 9").spawn().unwrap();
            ForeignChild::from(child).wait().await
        });
        assert_eq!(status.unwrap().unwrap().code(), Some(9), "on {name}");
        runner.close().unwrap();
    }
}

#[test]
fn a_child_that_was_waited_for_before_has_its_status_still() {
    on_every_loop(|| async {
        let tokio = TOKIO.spawn(async {
            let mut child = tokio_sh("exit 3").spawn().unwrap();
            child.wait().await.unwrap();
            ForeignChild::from(child)
        });
        let tokio = tokio.await.unwrap();
        assert_eq!(tokio.id(), None);
        let mut other = async_process_sh("exit 4").spawn().unwrap();
        other.status().await.unwrap();
        for (child, code) in [(tokio, 3), (ForeignChild::from(other), 4)] {
            assert_eq!(child.returncode(), Some(code));
            assert_eq!(child.wait().await.unwrap().code(), Some(code));
            assert_eq!(child.start_kill().unwrap_err().kind(), ErrorKind::ChildExited);
        }
    });
}

#[test]
fn the_pipes_work_that_were_taken_out_before() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    on_every_loop(|| async {
        let mut command = async_process::Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let child = ForeignChild::from(child);
        stdin.write_all(b"through").await.unwrap();
        drop(stdin);
        let mut read = String::new();
        stdout.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "through");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn an_owner_that_panics_is_a_typed_error() {
    struct Panics(std::process::Child, usize);

    impl ChildOwner for Panics {
        fn id(&self) -> Option<u32> {
            Some(self.0.id())
        }

        fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
            self.1 += 1;
            // The first time is when it is handed over.
            assert_eq!(self.1, 1, "on purpose");
            Ok(None)
        }
    }

    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    on_every_loop(|| async {
        let child = std::process::Command::new("true").spawn().unwrap();
        let child = ForeignChild::new(Panics(child, 0));
        assert_eq!(child.wait().await.unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(child.wait().await.unwrap_err().kind(), ErrorKind::Io);
    });
}

/// Where we wait by pidfd, and where by SIGCHLD, which sees the foreign ones as well.
fn nothing_is_left_on_every_loop<F: Future<Output = ()>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        nothing_is_left(name, "auto", || Arc::new(AutoChildWatcher::new()), &story);
    }
    nothing_is_left("default", "multi-loop", || Arc::new(MultiLoopChildWatcher::new()), &story);
}

/// Polls a future once, and drops it.
async fn begin<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// An owner that counts how often it had a status to give.
struct Witness {
    child: std::process::Child,
    gave: Arc<AtomicUsize>,
}

impl Witness {
    fn start(line: &str, gave: &Arc<AtomicUsize>) -> (std::process::ChildStdin, Self) {
        let mut command = std::process::Command::new("sh");
        let mut child = command.arg("-c").arg(line).stdin(Stdio::piped()).spawn().unwrap();
        (child.stdin.take().unwrap(), Self { child, gave: gave.clone() })
    }
}

impl ChildOwner for Witness {
    fn id(&self) -> Option<u32> {
        Some(self.child.id())
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.gave.fetch_add(usize::from(status.is_some()), Ordering::AcqRel);
        Ok(status)
    }
}
