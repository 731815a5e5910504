//! `fork` in the middle of a run: the child has the memory of its parent's loop, and neither
//! its threads nor its reactor. Each story in a process of its own, on every loop.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics, and std can't fork"
)]

mod process_support;

use std::future::{Future, pending};
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use policy::proactor::Resource;
use policy::{Error, ErrorKind, Runner};

use process_support::LONG;

/// What a child that is as it should be exits with.
const GOOD: i32 = 42;

/// Forks; the child returns `None`, the parent the status of the child, once it has ended.
/// One that hangs is killed.
fn fork() -> Option<libc::c_int> {
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        return None;
    }
    let begun = Instant::now();
    let mut status = 0;
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if begun.elapsed() > LONG {
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(status)
}

fn exit(good: bool) -> ! {
    unsafe { libc::_exit(if good { GOOD } else { 1 }) }
}

#[track_caller]
fn is_good(name: &str, status: libc::c_int) {
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    assert_eq!(code, Some(GOOD), "on {name}: the child ended with {status:#x}");
}

fn is_forked<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::Forked)
}

fn is_forked_io<T>(result: io::Result<T>) -> bool {
    let error = result.err();
    let ours = error.as_ref().and_then(|error| error.get_ref()?.downcast_ref::<Error>());
    ours.is_some_and(|error| error.kind() == ErrorKind::Forked)
}

/// Runs `story` on every loop. In the child, where it pends, the run has to give `Forked`.
fn a_run_ends_in_the_child<F: Future<Output = libc::c_int>>(story: impl Fn() -> F) {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let parent = std::process::id();
        let ran = runner.run(story());
        if std::process::id() != parent {
            let good = is_forked(ran);
            // The parent's loop is let go of in silence.
            let closed = runner.close().is_ok();
            drop(runner);
            exit(good && closed);
        }
        is_good(name, ran.unwrap());
        // It goes on in the parent.
        runner.run(policy::time::sleep(Duration::from_millis(1))).unwrap();
        runner.close().unwrap();
    }
}

/// Names of the loops whose tasks run on the thread that runs the loop.
fn on_one_thread() -> impl Iterator<Item = &'static str> {
    policy::policy_names().into_iter().filter(|name| {
        ["default", "smol:current_thread", "tokio:current_thread", "compio"].contains(name)
    })
}

alone! {
    fn what_waits_for_ever_ends_in_the_child() {
        a_run_ends_in_the_child(async || match fork() {
            Some(status) => status,
            None => pending().await,
        });
    }

    // It hung: the timer is the parent's.
    fn a_sleep_ends_in_the_child() {
        a_run_ends_in_the_child(async || {
            let mut before = pin!(policy::time::sleep(Duration::from_millis(20)));
            assert!(poll_once(before.as_mut()).await.is_none());
            match fork() {
                Some(status) => status,
                None => {
                    before.await;
                    exit(false)
                }
            }
        });
        a_run_ends_in_the_child(async || match fork() {
            Some(status) => status,
            None => {
                policy::time::sleep(Duration::from_millis(1)).await;
                exit(false)
            }
        });
    }

    // What is dropped in the child was taken out of the parent's reactor, too: async-io's and
    // tokio's share the system's part with it.
    fn a_socket_goes_on_in_the_parent() {
        for name in policy::policy_names() {
            println!("on {name}");
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let parent = std::process::id();
            let ran = runner.run(async {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                theirs.set_nonblocking(true).unwrap();
                let mut ours = policy::net::UnixStream::from_std(ours).unwrap();
                assert!(poll_once(read_some(&mut ours)).await.is_none());
                let status = match fork() {
                    Some(status) => status,
                    None => {
                        // Registered by the parent, and dropped with the rest.
                        let refused = is_forked_io(read_some(&mut ours).await);
                        assert!(refused, "{name}");
                        pending().await
                    }
                };
                // It has waited before the bytes come.
                let mut reads = pin!(read_some(&mut ours));
                assert!(poll_once(reads.as_mut()).await.is_none());
                let write = policy::spawn_blocking(move || io::Write::write(&mut &theirs, b"hello"));
                let read = policy::time::timeout(LONG, reads).await;
                assert_eq!(read.unwrap().unwrap(), 5, "on {name}");
                write.await.unwrap().unwrap();
                status
            });
            if std::process::id() != parent {
                let good = is_forked(ran);
                drop(runner);
                exit(good);
            }
            is_good(name, ran.unwrap());
            runner.close().unwrap();
        }
    }

    fn a_join_ends_in_the_child() {
        a_run_ends_in_the_child(async || {
            let task = policy::spawn(policy::time::sleep(Duration::from_secs(3600)));
            policy::time::sleep(Duration::from_millis(1)).await;
            match fork() {
                Some(status) => {
                    task.abort();
                    status
                }
                None => {
                    let _never = task.await;
                    exit(false)
                }
            }
        });
    }

    // compio's ring is not even mapped there: the child died of SIGSEGV.
    fn an_operation_that_was_dropped_or_waits_ends_in_the_child() {
        a_run_ends_in_the_child(async || {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let ours = Resource::from(ours);
            let proactor = policy::get_running_loop().unwrap().proactor().unwrap();
            let dropped = proactor.read(&ours, vec![0; 10]);
            assert!(policy::time::timeout(Duration::from_millis(5), dropped).await.is_err());
            let mut waits = pin!(proactor.read(&ours, vec![0; 10]));
            assert!(poll_once(waits.as_mut()).await.is_none());
            match fork() {
                Some(status) => status,
                // At once where it waits for readiness; the ring's is never told.
                None if is_forked_io(waits.await.0) => pending().await,
                None => exit(false),
            }
        });
    }

    fn what_is_begun_in_the_child_is_refused_at_once() {
        for name in policy::policy_names() {
            println!("on {name}");
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let status = runner.run(async {
                let (ours, theirs) = UnixStream::pair().unwrap();
                let ours = Resource::from(ours);
                theirs.set_nonblocking(true).unwrap();
                let mut socket = policy::net::UnixStream::from_std(theirs).unwrap();
                let proactor = policy::get_running_loop().unwrap().proactor().unwrap();
                let read = proactor.read(&ours, vec![0; 10]);
                assert!(policy::time::timeout(Duration::from_millis(5), read).await.is_err());
                if let Some(status) = fork() {
                    return status;
                }
                let begun = Instant::now();
                let mut good = vec![
                    ("spawn", is_forked(policy::try_spawn(async {}))),
                    ("blocking", is_forked(policy::try_spawn_blocking(|| ()))),
                    ("operation", is_forked_io(proactor.read(&ours, vec![0; 10]).await.0)),
                    ("socket", is_forked_io(read_some(&mut socket).await)),
                ];
                good.push(("time", begun.elapsed() < LONG));
                if !good.iter().all(|(_, good)| *good) {
                    eprintln!("in the child: {good:?}");
                }
                exit(good.iter().all(|(_, good)| *good))
            });
            is_good(name, status.unwrap());
            runner.close().unwrap();
        }
    }

    fn a_task_that_forks_ends_the_run_in_the_child() {
        for name in on_one_thread() {
            println!("on {name}");
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let parent = std::process::id();
            let ran = runner.run(async {
                policy::spawn(async {
                    match fork() {
                        Some(status) => status,
                        None => pending().await,
                    }
                })
                .await
                .unwrap()
            });
            if std::process::id() != parent {
                exit(is_forked(ran));
            }
            is_good(name, ran.unwrap());
            runner.close().unwrap();
        }
    }

    // The pool's threads were the parent's: a job waited for ever.
    fn a_new_loop_in_the_child_has_threads_for_blocking_jobs() {
        for name in policy::policy_names() {
            println!("on {name}");
            let run = || {
                let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
                let ran = runner.run(async {
                    policy::time::sleep(Duration::from_millis(1)).await;
                    let job = policy::spawn_blocking(|| 3);
                    let job = policy::time::timeout(LONG, job).await;
                    (policy::spawn(async { 2 }).await.unwrap(), job.unwrap().unwrap())
                });
                (ran, runner.close().is_ok())
            };
            // Within the time that a thread of the pool waits for the next job.
            assert_eq!(run().0.unwrap(), (2, 3));
            match fork() {
                Some(status) => is_good(name, status),
                // async-io's reactor is one for the process, and has a thread: it says so.
                None => exit(match run() {
                    (Ok(done), closed) => done == (2, 3) && closed,
                    (refused, _) => is_forked(refused),
                }),
            }
        }
    }
}

async fn read_some(socket: &mut policy::net::UnixStream) -> io::Result<usize> {
    use futures_lite::AsyncReadExt;
    socket.read(&mut [0; 8]).await
}
