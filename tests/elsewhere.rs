//! What a thread does with a loop that it does not run: `enter`, `block_on`, `on()`.
#![cfg(feature = "default-loop")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod net_support;

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use net_support::on_every_loop;
use policy::net::UdpSocket;
use policy::prelude::*;
use policy::task::block_in_place;
use policy::{ErrorKind, EventLoop, Runner};

/// Calls `story` on this thread with each loop, while another thread runs it.
fn beside_every_loop(story: impl Fn(&'static str, &Arc<dyn EventLoop>)) {
    for name in policy::policy_names() {
        println!("beside {name}");
        let (tell, told) = mpsc::channel();
        let runs = thread::spawn(move || {
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let event_loop = runner.get_loop().unwrap();
            let (stop, stopped) = async_channel::bounded::<()>(1);
            tell.send((event_loop, stop)).unwrap();
            runner.run(stopped.recv()).unwrap().unwrap_err();
            runner.close().unwrap();
        });
        let (event_loop, stop) = told.recv().unwrap();
        // Not only about to be run.
        while !event_loop.is_running() {
            thread::yield_now();
        }
        story(name, &event_loop);
        drop((event_loop, stop));
        runs.join().unwrap();
    }
}

#[test]
fn a_thread_blocks_on_a_loop_that_another_runs() {
    beside_every_loop(|name, event_loop| {
        let local = Rc::new(20);
        let answer = event_loop.block_on(async {
            let found = policy::get_running_loop().unwrap();
            assert!(Arc::ptr_eq(&found, event_loop));
            policy::time::sleep(Duration::from_millis(2)).await;
            let twice = policy::spawn(async { policy::spawn_blocking(|| 22).await.unwrap() });
            *local + twice.await.unwrap()
        });
        assert_eq!(answer.unwrap(), 42);
        // tokio's own functions have their context there.
        if name.starts_with("tokio") {
            let tokios = event_loop.block_on(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
            });
            tokios.unwrap();
        }
    });
}

#[test]
fn a_local_task_is_made_where_its_loop_runs_as_the_error_says() {
    beside_every_loop(|_, event_loop| {
        let refused = event_loop.try_spawn_local(async {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WrongThread);
        assert!(refused.to_string().contains("`event_loop.call_soon(|| …)`"), "{refused}");
        let (tell, told) = async_channel::bounded(1);
        let here = event_loop.clone();
        event_loop.call_soon(move || {
            let local = std::rc::Rc::new(7);
            let task = here.spawn_local(async move { tell.send(*local).await });
            drop(task);
        });
        assert_eq!(future::block_on(told.recv()), Ok(7));
    });
}

#[test]
fn a_panic_of_what_is_blocked_on_is_its_callers() {
    beside_every_loop(|_, event_loop| {
        let blocked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            event_loop.block_on(async { panic!("expected: mine") })
        }));
        assert!(blocked.is_err());
        assert_eq!(event_loop.block_on(async { 1 }).unwrap(), 1);
    });
}

#[test]
fn a_thread_that_blocks_on_a_loop_that_is_closed_hears_of_it() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let event_loop = runner.get_loop().unwrap();
        let (tell, told) = async_channel::bounded(1);
        let blocks = runner
            .run(async {
                let blocks = thread::spawn({
                    let event_loop = event_loop.clone();
                    move || {
                        event_loop.block_on(async {
                            tell.send(()).await.unwrap();
                            pending::<()>().await;
                        })
                    }
                });
                told.recv().await.unwrap();
                blocks
            })
            .unwrap();
        runner.close().unwrap();
        assert_eq!(blocks.join().unwrap().unwrap_err().kind(), ErrorKind::LoopClosed);
        // And afterwards.
        assert_eq!(event_loop.block_on(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
    }
}

#[test]
fn blocking_where_nobody_would_wake_is_refused() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        let event_loop = runner.get_loop().unwrap();
        if event_loop.is_self_driving() {
            assert_eq!(event_loop.block_on(async { 1 }).unwrap(), 1);
        } else {
            let refused = event_loop.block_on(async {}).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NoRunningLoop);
            assert!(refused.to_string().contains("run_until_complete"), "{refused}");
        }
        // Inside of its own run it would wait for itself; inside of another's, stop that.
        let other = policy::new_event_loop().unwrap();
        let (own, others) = runner
            .run(async {
                let kind = |event_loop: &Arc<dyn EventLoop>| {
                    event_loop.block_on(async {}).unwrap_err().kind()
                };
                (kind(&event_loop), kind(&other))
            })
            .unwrap();
        assert_eq!((own, others), (ErrorKind::AlreadyRunning, ErrorKind::OtherLoopRunning));
        other.close().unwrap();
        // A blocking job may.
        let elsewhere = event_loop.clone();
        // Not before the loop is run.
        let job = async { policy::spawn_blocking(move || elsewhere.block_on(async { 2 })).await };
        assert_eq!(runner.run(job).unwrap().unwrap().unwrap(), 2);
    }
}

#[test]
fn a_thread_that_has_entered_a_loop_spawns_there_and_may_run_it() {
    for name in policy::policy_names() {
        println!("on {name}");
        let event_loop = policy::from_name(name).unwrap().new_event_loop().unwrap();
        let other = policy::new_event_loop().unwrap();
        let entered: policy::event_loop::EnterGuard = event_loop.enter();
        assert!(Arc::ptr_eq(&policy::get_running_loop().unwrap(), &event_loop));
        let task = policy::spawn(async { policy::time::sleep(Duration::from_millis(1)).await });
        // It is not the loop's thread for that.
        assert_eq!(other.run_until_complete(async { 1 }).unwrap(), 1);
        event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(block_in_place(|| 3).unwrap(), 3);
        // In any order.
        let inner = other.enter();
        drop(entered);
        assert!(Arc::ptr_eq(&policy::get_running_loop().unwrap(), &other));
        drop(inner);
        assert_eq!(policy::get_running_loop().unwrap_err().kind(), ErrorKind::NoRunningLoop);
        // Of a closed one nothing can be had.
        event_loop.close().unwrap();
        let entered = event_loop.enter();
        assert_eq!(policy::try_spawn(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
        drop(entered);
        other.close().unwrap();
    }
}

#[test]
fn a_task_that_has_entered_another_loop_still_can_not_block() {
    on_every_loop(|| async {
        let other = policy::new_event_loop().unwrap();
        let entered = other.enter();
        let refused = other.run_until_complete(async {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::OtherLoopRunning);
        drop(entered);
        other.close().unwrap();
    });
}

#[test]
fn twins_of_time_and_sockets_belong_to_the_loop_that_is_named() {
    beside_every_loop(|name, event_loop| {
        let on = event_loop.on();
        // No loop runs here: somebody else's `block_on` does.
        future::block_on(async {
            let began = Instant::now();
            on.sleep(Duration::from_millis(3)).await;
            on.sleep_until(event_loop.time() + Duration::from_millis(3)).await;
            assert!(began.elapsed() >= Duration::from_millis(5));
            let short = Duration::from_millis(1);
            assert!(on.timeout(short, pending::<()>()).await.is_err());
            assert!(on.timeout_at(event_loop.time() + short, pending::<()>()).await.is_err());
            assert_eq!(on.timeout(Duration::from_secs(60), async { 1 }).await.unwrap(), 1);
            on.interval(short).tick().await;
            on.interval_at(event_loop.time(), short).tick().await;
            assert_eq!(on.lookup_host("localhost:80").await.unwrap().next().unwrap().port(), 80);
            let text = on.within(policy::fs::read_to_string("Cargo.toml")).await.unwrap();
            assert!(text.contains("policy"));
            let listener = match on.bind_tcp("127.0.0.1:0").await {
                Ok(listener) => listener,
                // compio's reactor is bound to its thread.
                Err(error) if name.starts_with("compio") => {
                    let inner: &policy::Error = error.get_ref().unwrap().downcast_ref().unwrap();
                    return assert_eq!(inner.kind(), ErrorKind::WrongThread);
                }
                Err(error) => panic!("{error}"),
            };
            let address = listener.local_addr().unwrap();
            let (client, server) = future::zip(on.connect_tcp(address), listener.accept()).await;
            let (mut client, mut server) =
                (client.unwrap(), on.register(server.unwrap().0).unwrap());
            let mut buf = [0; 5];
            assert!(future::poll_once(server.read(&mut buf)).await.is_none());
            client.write_all(b"hello").await.unwrap();
            server.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"hello");
            let udp = on.bind_udp("127.0.0.1:0").await.unwrap();
            assert!(future::poll_once(udp.recv(&mut buf)).await.is_none());
        });
    });
}

#[cfg(unix)]
#[test]
fn twins_of_local_sockets_and_children_belong_to_the_loop_that_is_named() {
    use policy::process::Command;

    beside_every_loop(|name, event_loop| {
        let on = event_loop.on();
        future::block_on(async {
            let child = on.start(&mut Command::new("true")).await.unwrap();
            assert!(on.within(child.wait()).await.unwrap().success());
            let child = on.spawn_child(Command::new("sh").args(["-c", "exit 7"])).unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(7));
            let child = event_loop.subprocess_shell("exit 3").await.unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(3));
            if name.starts_with("compio") {
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("stream");
            let listener = on.bind_unix(&path).unwrap();
            let (client, server) = future::zip(on.connect_unix(&path), listener.accept()).await;
            drop((client.unwrap(), server.unwrap()));
            let datagrams = on.bind_unix_datagram(folder.path().join("datagrams")).unwrap();
            assert!(future::poll_once(datagrams.recv(&mut [0; 8])).await.is_none());
            let (a, mut b) = policy::net::UnixStream::pair().unwrap();
            on.register(&a).unwrap();
            on.register(&a).unwrap(); // once more does nothing
            assert!(future::poll_once((&a).read(&mut [0; 8])).await.is_none());
            b.write_all(b"x").await.unwrap();
            assert_eq!((&a).read(&mut [0; 8]).await.unwrap(), 1);
        });
    });
}

#[test]
fn a_socket_of_one_loop_is_not_taken_by_another() {
    on_every_loop(|| async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(future::poll_once(socket.recv(&mut [0; 8])).await.is_none());
        let here = policy::get_running_loop().unwrap();
        here.on().register(&socket).unwrap();
        let other = policy::from_name("default").unwrap().new_event_loop().unwrap();
        let kind = |result: std::io::Result<&UdpSocket>| {
            let error = result.unwrap_err();
            error.get_ref().unwrap().downcast_ref::<policy::Error>().unwrap().kind()
        };
        assert_eq!(kind(other.on().register(&socket)), ErrorKind::InvalidInput);
        other.close().unwrap();
        let fresh = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(kind(other.on().register(&fresh)), ErrorKind::LoopClosed);
        let closed = other.on().connect_tcp("127.0.0.1:9").await.map(drop).unwrap_err();
        assert_eq!(kind(Err(closed)), ErrorKind::LoopClosed);
        // Nothing was taken from it.
        here.on().register(&fresh).unwrap();
        assert!(future::poll_once(fresh.recv(&mut [0; 8])).await.is_none());
    });
}

#[test]
fn a_task_has_an_id_and_the_main_future_has_none() {
    on_every_loop(|| async {
        let task = policy::spawn(async { policy::task::id() });
        let id = task.id();
        assert_eq!(task.await.unwrap(), id);
        assert_eq!(policy::task::try_id(), None);
        let none = std::panic::catch_unwind(policy::task::id).unwrap_err();
        let message = none.downcast_ref::<String>().unwrap();
        assert!(message.contains("`try_id`"), "{message}");
    });
}

#[test]
fn a_task_blocks_in_place_where_others_go_on() {
    for name in policy::policy_names() {
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        runner
            .run(async {
                let blocking = policy::spawn(async {
                    block_in_place(|| {
                        let here = policy::try_spawn(async { 1 }).unwrap();
                        // A loop may be run there.
                        let inner = policy::new_event_loop().unwrap();
                        let one = inner.run_until_complete(here).unwrap().unwrap();
                        inner.close().unwrap();
                        one
                    })
                });
                let blocked = blocking.await.unwrap();
                if name == "tokio:multi_thread" {
                    assert_eq!(blocked.unwrap(), 1);
                    // The main future, too; and a panic is the caller's.
                    assert_eq!(block_in_place(|| 2).unwrap(), 2);
                    let panics = policy::spawn(async { block_in_place(|| panic!("expected")) });
                    assert!(panics.await.unwrap_err().is_panic());
                } else {
                    let refused = blocked.unwrap_err();
                    assert_eq!(refused.kind(), ErrorKind::Unsupported);
                    assert!(refused.to_string().contains("`spawn_blocking`"), "{refused}");
                }
                let job = policy::spawn_blocking(|| block_in_place(|| 3).unwrap());
                assert_eq!(job.await.unwrap(), 3);
            })
            .unwrap();
    }
    // Where no loop is, nothing has to be moved.
    assert_eq!(block_in_place(|| 4).unwrap(), 4);
}

#[cfg(feature = "tokio")]
#[test]
fn other_tasks_go_on_while_one_blocks_in_place() {
    let policy = policy::TokioPolicy::multi_thread().worker_threads(1);
    let mut runner = Runner::with_policy(policy);
    let done = runner.run(async {
        let (tell, told) = mpsc::channel();
        let blocks = policy::spawn(async move { block_in_place(|| told.recv().unwrap()).unwrap() });
        // Polled by the worker that replaces the one that blocks.
        policy::spawn(async move { tell.send(5).unwrap() }).await.unwrap();
        blocks.await.unwrap()
    });
    assert_eq!(done.unwrap(), 5);
}

#[cfg(feature = "tokio")]
#[test]
fn tokios_runtimes_of_others_are_found_with_what_they_can() {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    threads.block_on(async {
        let task = tokio::spawn(async { block_in_place(|| 1) });
        assert_eq!(task.await.unwrap().unwrap(), 1);
    });
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(async {
        assert_eq!(block_in_place(|| 1).unwrap_err().kind(), ErrorKind::Unsupported);
    });
    // A `LocalSet` binds its tasks to a thread of the multi-threaded runtime.
    let set = tokio::task::LocalSet::new();
    set.block_on(&threads, async {
        let refused = tokio::task::spawn_local(async { block_in_place(|| 1) }).await.unwrap();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn a_stream_that_is_made_by_a_twin_is_polled_anywhere() {
    beside_every_loop(|name, event_loop| {
        if name.starts_with("compio") {
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = event_loop.block_on(event_loop.on().connect_tcp(address)).unwrap().unwrap();
        let there = thread::spawn(move || {
            future::block_on(async { { stream }.read(&mut [0; 8]).await.unwrap() })
        });
        drop(listener.accept().unwrap());
        assert_eq!(there.join().unwrap(), 0);
    });
}
