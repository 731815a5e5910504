//! Children that outlive what they were started under: each story in a process of
//! its own, so that what is left can be counted.
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

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use futures_lite::future::block_on;
use policy::process::{ChildStdin, Command, Stdio};
use policy::{
    AutoChildWatcher, ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop,
    ExitFuture, Runner,
};

use process_support::{
    census, children, eventually, nothing_is_left_everywhere, on, policy_with, settle, sh,
    state_of, watchers,
};

alone! {
    fn children_that_were_waited_for_leave_nothing() {
        nothing_is_left_everywhere(|| async {
            let children: Vec<_> = (0..20)
                .map(|code| sh(format!("exit {code}")).stdout(Stdio::piped()).spawn().unwrap())
                .collect();
            for (code, child) in (0..).zip(children) {
                assert_eq!(child.wait().await.unwrap().code(), Some(code));
            }
            sh("exit 3").output().await.unwrap();
        });
    }

    fn dropped_children_are_reaped_when_they_exit() {
        nothing_is_left_everywhere(|| async {
            for _ in 0..20 {
                drop(sh("sleep 0.05").spawn().unwrap());
            }
        });
    }

    fn children_killed_on_drop_are_gone() {
        nothing_is_left_everywhere(|| async {
            for _ in 0..20 {
                drop(Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap());
            }
        });
    }

    fn a_child_dropped_after_its_loop_was_closed_is_reaped() {
        for name in policy::policy_names() {
            for (_, watcher) in watchers() {
                let mut runner = Runner::with_policy(policy_with(name, watcher()));
                let mut child = runner
                    .run(async { sh("read line").stdin(Stdio::piped()).spawn().unwrap() })
                    .unwrap();
                runner.close().unwrap();
                let (stdin, pid) = (child.stdin.take(), child.id());
                drop(child);
                assert_ne!(state_of(pid), None);
                drop(stdin);
                eventually("it is reaped", || state_of(pid).is_none());
            }
        }
    }

    fn a_wait_that_is_pending_when_its_loop_closes_goes_on_under_another() {
        for name in policy::policy_names() {
            for other in policy::policy_names() {
                for (watcher_name, watcher) in watchers() {
                    println!("from {name} to {other}, {watcher_name}");
                    let mut runner = Runner::with_policy(policy_with(name, watcher()));
                    let mut child = runner
                        .run(async { sh("read line; exit 5").stdin(Stdio::piped()).spawn() })
                        .unwrap()
                        .unwrap();
                    let mut stdin = child.stdin.take().unwrap();
                    let mut wait = Box::pin(async move { child.wait().await.unwrap().code() });
                    runner.run(async { assert!(poll_once(&mut wait).await.is_none()) }).unwrap();
                    runner.close().unwrap();
                    let mut runner = Runner::with_policy(policy::from_name(other).unwrap());
                    let code = runner.run(async {
                        assert!(poll_once(&mut wait).await.is_none());
                        stdin.write_all(b"\n").await.unwrap();
                        wait.await
                    });
                    assert_eq!(code.unwrap(), Some(5));
                }
            }
        }
    }

    fn a_child_is_awaited_without_any_loop() {
        for name in policy::policy_names() {
            for (watcher_name, watcher) in watchers() {
                println!("{name}, {watcher_name}");
                let mut runner = Runner::with_policy(policy_with(name, watcher()));
                let child = runner
                    .run(async {
                        sh("cat; exit 6").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
                    })
                    .unwrap()
                    .unwrap();
                // The loop is there and nobody runs it.
                let output = block_on(async {
                    let mut child = child;
                    let mut stdin = child.stdin.take().unwrap();
                    stdin.write_all(b"hello").await.unwrap();
                    drop(stdin);
                    child.wait_with_output().await.unwrap()
                });
                assert_eq!((output.status.code(), &*output.stdout), (Some(6), &b"hello"[..]));
                runner.close().unwrap();
            }
        }
        settle();
    }

    fn children_pending_when_the_watcher_is_replaced_end_right() {
        for name in policy::policy_names() {
            for (_, watcher) in watchers() {
                let policy = policy_with(name, watcher());
                let mut runner = Runner::with_policy(policy.clone());
                runner
                    .run(async {
                        let children: Vec<_> = (0..100)
                            .map(|code| {
                                let mut command = sh(format!("read line; exit {code}"));
                                command.stdin(Stdio::piped()).spawn().unwrap()
                            })
                            .map(|mut child| (child.stdin.take().unwrap(), Box::pin(async move { child.wait().await })))
                            .collect();
                        let mut waits = Vec::new();
                        for (stdin, mut wait) in children {
                            assert!(poll_once(&mut wait).await.is_none());
                            waits.push((stdin, wait));
                        }
                        policy.set_child_watcher(None).unwrap();
                        for (code, (stdin, wait)) in (0..).zip(waits) {
                            drop(stdin);
                            assert_eq!(wait.await.unwrap().code(), Some(code));
                        }
                    })
                    .unwrap();
                runner.close().unwrap();
            }
        }
    }

    fn a_child_that_is_reaped_while_its_watcher_is_asked_keeps_its_status() {
        for (name, watcher) in watchers() {
            println!("{name}");
            let late = Arc::new(Late { inner: watcher(), stdin: Mutex::default() });
            on("default", name, late.clone(), async {
                let mut child = sh("read line; exit 7").stdin(Stdio::piped()).spawn().unwrap();
                let stdin = child.stdin.take();
                // Takes the wait that began with the child.
                assert!(poll_once(&mut Box::pin(child.wait())).await.is_none());
                *late.stdin.lock().unwrap() = stdin;
                // The number meant nothing when the watcher looked, and the status was lost.
                assert_eq!(child.wait().await.unwrap().code(), Some(7));
            });
        }
    }

    fn a_start_that_is_dropped_leaves_no_child() {
        nothing_is_left_everywhere(|| async {
            for turns in 0..30 {
                let mut start = Box::pin(Command::new("sleep").arg("1000").start());
                for _ in 0..turns {
                    if let Some(child) = poll_once(&mut start).await {
                        // It was quick, and it is ours now.
                        child.unwrap().kill().await.unwrap();
                        break;
                    }
                }
            }
            eventually("none of them lives", || children().is_empty());
        });
    }

    fn without_a_loop_nothing_is_started() {
        let before = census();
        let error = Command::new("true").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoRunningLoop);
        let error = block_on(Command::new("true").output()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoRunningLoop);
        assert_eq!(census(), before);
    }

    fn with_an_inactive_watcher_nothing_is_started() {
        let watcher = AutoChildWatcher::new();
        watcher.close();
        watcher.close();
        let mut runner = Runner::with_policy(policy_with("default", Arc::new(watcher)));
        runner.run(async {
            let error = Command::new("true").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WatcherInactive);
            let error = policy::create_subprocess_exec("true", [""]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WatcherInactive);
        }).unwrap();
        assert!(children().is_empty());
    }

    fn a_program_that_can_not_be_executed_leaves_nothing_and_says_why() {
        nothing_is_left_everywhere(|| async {
            use std::io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
            let long = "x".repeat(1 << 18);
            let cases: [(Command, _); 6] = [
                (Command::new("no-such-program"), NotFound),
                (Command::new(""), NotFound),
                (Command::new("/etc/passwd"), PermissionDenied),
                (Command::new("/etc"), PermissionDenied),
                (Command::new("a\0b"), InvalidInput),
                (with_arg("true", &long), std::io::ErrorKind::ArgumentListTooLong),
            ];
            for (mut command, kind) in cases {
                let error = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_err();
                assert_eq!(error.io_kind(), Some(kind), "{error}");
                let error = command.start().await.unwrap_err();
                assert_eq!(error.io_kind(), Some(kind), "{error}");
            }
            let error = Command::new("true").current_dir("/no/such").status().await.unwrap_err();
            assert!(error.to_string().contains("/no/such"), "{error}");
            for key in ["", "A=B", "A\0"] {
                let error = Command::new("true").env(key, "value").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
            }
            let error = Command::new("true").env("A", "a\0b").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        });
    }

    fn the_number_of_living_children_is_limited() {
        let mut runner = Runner::new();
        runner.run(async {
            policy::process::set_max_children(Some(2));
            let one = Command::new("sleep").arg("1000").spawn().unwrap();
            let _two = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
            let error = Command::new("true").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitReached);
            assert_eq!(children().len(), 2);
            one.kill().await.unwrap();
            assert!(Command::new("true").status().await.unwrap().success());
        }).unwrap();
    }

    fn a_child_sees_no_descriptors_but_its_own() {
        let mut runner = Runner::new();
        runner.run(async {
            // What `ls` opens is the last. A child of std's also has what a careless parent
            // of this test gave it.
            let by_std = std::process::Command::new("ls").arg("/proc/self/fd").output().unwrap();
            let given: &[u8] =
                if cfg!(policy_force_std_start) { &by_std.stdout } else { b"0\n1\n2\n3\n" };
            let siblings: Vec<_> = (0..8)
                .map(|_| {
                    let mut command = Command::new("cat");
                    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                    command.spawn().unwrap()
                })
                .collect();
            let output = Command::new("ls").arg("/proc/self/fd").output().await.unwrap();
            assert_eq!(output.stdout, given);
            for child in siblings {
                assert!(child.wait().await.unwrap().success());
            }
        }).unwrap();
    }

    fn a_waker_that_panics_harms_nobody_else() {
        struct Panics;
        impl std::task::Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of the test");
            }
        }
        let watcher = watchers().remove(2).1();
        let mut runner = Runner::with_policy(policy_with("default", watcher));
        runner.run(async {
            let mut child = sh("read line; exit 5").stdin(Stdio::piped()).spawn().unwrap();
            let stdin = child.stdin.take();
            {
                let child = &child;
                let mut bad = Box::pin(child.wait());
                let waker = Arc::new(Panics).into();
                assert!(bad.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
                let mut good = Box::pin(child.wait());
                assert!(poll_once(&mut good).await.is_none());
                drop(stdin);
                assert_eq!(good.await.unwrap().code(), Some(5));
            }
        }).unwrap();
    }

    fn children_of_std_are_left_to_std() {
        for (watcher_name, watcher) in watchers() {
            println!("{watcher_name}");
            let mut runner = Runner::with_policy(policy_with("default", watcher()));
            runner.run(async {
                for round in 0..20 {
                    let mut theirs = std::process::Command::new("sh")
                        .args(["-c", &format!("exit {round}")]).spawn().unwrap();
                    let ours = sh(format!("exit {}", round + 100)).spawn().unwrap();
                    assert_eq!(ours.wait().await.unwrap().code(), Some(round + 100));
                    policy::time::sleep(Duration::from_millis(2)).await;
                    assert_eq!(theirs.wait().unwrap().code(), Some(round));
                }
            }).unwrap();
        }
    }
}

fn with_arg(program: &str, arg: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(arg);
    command
}

/// A watcher that lets a child end, and others reap it, while it is asked to watch it.
#[derive(Debug)]
struct Late {
    inner: Arc<dyn ChildWatcher>,
    /// What the child waits for, from when on the watcher is late.
    stdin: Mutex<Option<ChildStdin>>,
}

impl ChildWatcher for Late {
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error> {
        let exit = self.inner.watch(child)?;
        let Some(stdin) = self.stdin.lock().unwrap().take() else { return Ok(exit) };
        drop(stdin);
        std::thread::spawn(|| block_on(exit).unwrap()).join().unwrap();
        self.inner.watch(&ChildId::from_pid(child.pid()))
    }

    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error> {
        self.inner.add_child_handler(pid, callback)
    }

    fn remove_child_handler(&self, pid: u32) -> bool {
        self.inner.remove_child_handler(pid)
    }

    fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        self.inner.attach_loop(event_loop)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn close(&self) {
        self.inner.close();
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    futures_lite::future::poll_once(future).await
}
