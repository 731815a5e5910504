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
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
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

/// Names of the loops whose tasks run on threads of an executor.
fn on_many_threads() -> impl Iterator<Item = &'static str> {
    let compiled = policy::policy_names();
    ["smol:multi_thread:1", "tokio:multi_thread:1", "tokio:multi_thread:2", "async-std"]
        .into_iter()
        .filter(move |name| compiled.iter().any(|known| name.starts_with(known)))
}

/// Runs a task on a thread of the executor's: this one, which might run it, blocks.
fn on_worker<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
    let (send, done) = mpsc::channel();
    drop(policy::spawn(async move { send.send(task.await) }));
    done.recv_timeout(2 * LONG).expect("another thread runs it")
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
                let (_sender, receiver) = policy::net::unix::pipe::pipe().unwrap();
                assert!(poll_once(receiver.readable()).await.is_none());
                let (datagrams, _peer) = policy::net::UnixDatagram::pair().unwrap();
                assert!(poll_once(datagrams.recv(&mut [0])).await.is_none());
                let own = policy::net::AsyncFd::new(theirs.try_clone().unwrap()).unwrap();
                assert!(poll_once(own.readable()).await.is_none());
                let status = match fork() {
                    Some(status) => status,
                    None => {
                        // Registered by the parent, and dropped with the rest.
                        let refused = is_forked_io(read_some(&mut ours).await)
                            && is_forked_io(receiver.readable().await)
                            && is_forked_io(datagrams.recv(&mut [0]).await)
                            && is_forked_io(own.readable().await.map(drop));
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

    fn who_blocks_for_another_thread_s_loop_goes_on_in_the_child() {
        for name in policy::policy_names() {
            println!("on {name}");
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let status = runner.run(async {
                let (event_loop, parent) = (policy::get_running_loop().unwrap(), std::process::id());
                let job = policy::spawn_blocking(move || {
                    let blocked = event_loop.block_on(async {
                        match fork() {
                            Some(status) => status,
                            None => pending().await,
                        }
                    });
                    if std::process::id() != parent {
                        exit(is_forked(blocked));
                    }
                    blocked.unwrap()
                });
                job.await.unwrap()
            });
            is_good(name, status.unwrap());
            runner.close().unwrap();
        }
    }

    // There is no run that ends, and nobody wakes what waits: each says so at once.
    fn what_a_worker_waits_for_in_the_child_is_refused_at_once() {
        for name in on_many_threads() {
            println!("on {name}");
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let status = runner.run(async {
                let never = || policy::spawn(policy::time::sleep(Duration::from_secs(3600)));
                let (mut task, blocked, mut set) = (never(), never(), policy::task::JoinSet::new());
                let aborts = [task.abort_handle(), blocked.abort_handle()];
                set.insert(never());
                let (ours, theirs) = UnixStream::pair().unwrap();
                let ours = Resource::from(ours);
                theirs.set_nonblocking(true).unwrap();
                let mut socket = policy::net::UnixStream::from_std(theirs).unwrap();
                let proactor = policy::get_running_loop().unwrap().proactor().unwrap();
                let child = policy::process::Command::new("sleep").arg("3600").spawn().unwrap();
                let event_loop = policy::get_running_loop().unwrap();
                let status = on_worker(async move {
                    // Each has waited before.
                    assert!(poll_once(&mut task).await.is_none());
                    assert!(poll_once(pin!(set.join_next())).await.is_none());
                    assert!(poll_once(pin!(read_some(&mut socket))).await.is_none());
                    let mut wait = Box::pin(child.wait());
                    assert!(poll_once(wait.as_mut()).await.is_none());
                    let mut reads = Box::pin(proactor.read(&ours, vec![0; 10]));
                    assert!(poll_once(reads.as_mut()).await.is_none());
                    if let Some(status) = fork() {
                        drop((reads, wait));
                        child.kill().await.unwrap();
                        return status;
                    }
                    let begun = Instant::now();
                    let is_left = |joined: Result<_, policy::task::JoinError>| {
                        joined.is_err_and(|error| error.is_forked())
                    };
                    let mut good = vec![
                        ("join", is_left(task.await)),
                        ("set", set.join_next().await.is_some_and(is_left)),
                        ("block", is_left(futures_lite::future::block_on(blocked))),
                        ("block_on", is_forked(event_loop.block_on(pending::<()>()))),
                        ("socket", is_forked_io(read_some(&mut socket).await)),
                        ("operation", is_forked_io(reads.await.0)),
                        ("another", is_forked_io(proactor.read(&ours, vec![0; 10]).await.0)),
                        ("child", wait.await.is_err()),
                        ("spawn", is_forked(policy::try_spawn(async {}))),
                        ("blocking", is_forked(policy::try_spawn_blocking(|| ()))),
                        ("sleep", is_forked(policy::time::try_sleep(Duration::from_millis(1)))),
                        ("file", is_forked_io(policy::fs::metadata("/").await)),
                        ("name", policy::net::lookup_host("localhost:1").await.is_err()),
                    ];
                    let bound = policy::net::UdpSocket::bind("127.0.0.1:0").await;
                    good.push(("bound", match bound {
                        Ok(socket) => is_forked_io(socket.recv_from(&mut [0; 1]).await),
                        refused => is_forked_io(refused),
                    }));
                    // Without an error to give it panics, with the same words.
                    std::panic::set_hook(Box::new(|_| ()));
                    let sleep = policy::time::sleep(Duration::from_millis(1));
                    let slept = AssertUnwindSafe(sleep).catch_unwind().await;
                    good.push(("panic", slept.is_err_and(|payload| {
                        payload.downcast_ref::<String>().is_some_and(|said| said.contains("fork"))
                    })));
                    good.push(("time", begun.elapsed() < LONG));
                    if !good.iter().all(|(_, good)| *good) {
                        eprintln!("in the child: {good:?}");
                    }
                    exit(good.iter().all(|(_, good)| *good))
                });
                aborts.iter().for_each(policy::task::AbortHandle::abort);
                status
            });
            is_good(name, status.unwrap());
            runner.close().unwrap();
        }
    }

    // It stayed for ever, took events of the parent's sockets, and ran the parent's tasks.
    fn a_child_that_is_a_worker_ends_with_the_poll_that_forked() {
        for name in on_many_threads() {
            for waits in [true, false] {
                println!("on {name}, waits: {waits}");
                let (read, write) = UnixStream::pair().unwrap();
                let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
                let status = runner.run(async {
                    let parent = std::process::id();
                    let counted = write.try_clone().unwrap();
                    on_worker(async move {
                        for _ in 0..10 {
                            let mut write = counted.try_clone().unwrap();
                            drop(policy::spawn(async move { io::Write::write_all(&mut write, b"x") }));
                        }
                        let forked = fork();
                        if waits && std::process::id() != parent {
                            pending::<()>().await;
                        }
                        forked.unwrap_or_default()
                    })
                });
                let status = status.unwrap();
                // With the tasks that are left.
                runner.close().unwrap();
                drop((runner, write));
                let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
                assert_eq!(code, Some(1), "on {name}: the child ended with {status:#x}");
                let mut written = Vec::new();
                io::Read::read_to_end(&mut &read, &mut written).unwrap();
                assert!(written.len() <= 10, "the child ran tasks of its parent on {name}");
            }
        }
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

    fn what_is_begun_or_joined_in_the_child_is_refused_at_once() {
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
                let never = || policy::spawn(policy::time::sleep(Duration::from_secs(3600)));
                let (mut task, mut set) = (never(), policy::task::JoinSet::new());
                set.insert(never());
                assert!(poll_once(&mut task).await.is_none());
                assert!(poll_once(pin!(set.join_next())).await.is_none());
                if let Some(status) = fork() {
                    task.abort();
                    return status;
                }
                let begun = Instant::now();
                let is_left = |joined: Result<_, policy::task::JoinError>| {
                    joined.is_err_and(|error| error.is_forked())
                };
                let mut good = vec![
                    ("join", is_left(task.await)),
                    ("set", set.join_next().await.is_some_and(is_left)),
                    ("sleep", is_forked(policy::time::try_sleep(Duration::from_millis(1)))),
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
