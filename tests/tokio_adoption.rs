//! Library code under a tokio runtime that never heard of policies: no policy is set
//! in this process, and `policy`'s calls work on that runtime.

#![cfg(all(feature = "tokio", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(clippy::async_yields_async, reason = "a handle leaves its loop on purpose")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use policy::task::JoinSet;
use policy::{ErrorKind, get_running_loop};
use tokio::runtime::{Builder, Handle, Runtime};

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

/// What a library does, which knows `policy` only.
async fn library() -> u32 {
    let sums = policy::spawn(async {
        let mut set = JoinSet::new();
        for n in 1..=10_u32 {
            set.spawn(async move {
                policy::time::sleep(Duration::from_millis(1)).await;
                n
            });
        }
        let mut sum = 0;
        while let Some(n) = set.join_next().await {
            sum += n.unwrap();
        }
        sum
    });
    let blocked = policy::spawn_blocking(|| 100);
    let late = policy::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
    assert!(late.is_err());
    let mut beat = policy::time::interval(Duration::from_millis(1));
    beat.tick().await;
    beat.tick().await;
    sums.await.unwrap() + blocked.await.unwrap()
}

#[test]
fn a_library_works_under_a_plain_runtime() {
    for runtime in runtimes() {
        assert_eq!(runtime.block_on(library()), 155);
        // In a task of the runtime, and beside its own.
        let in_task = runtime.spawn(library());
        assert_eq!(runtime.block_on(in_task).unwrap(), 155);
    }
}

#[tokio::test]
async fn a_library_works_under_a_test_macro_of_tokio() {
    assert_eq!(library().await, 155);
}

#[test]
fn tasks_run_on_that_runtime() {
    for runtime in runtimes() {
        let id = runtime.handle().id();
        let found = runtime
            .block_on(async { policy::spawn(async { Handle::current().id() }).await.unwrap() });
        assert_eq!(found, id);
    }
}

#[test]
fn a_runtime_is_one_loop_in_all_its_tasks_and_threads() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let here = get_running_loop().unwrap();
            assert!(here.is_running() && !here.is_closed());
            let mut set = JoinSet::new();
            for _ in 0..20 {
                set.spawn(async {
                    policy::task::yield_now().await;
                    get_running_loop().unwrap()
                });
            }
            while let Some(found) = set.join_next().await {
                assert!(Arc::ptr_eq(&here, &found.unwrap()));
            }
            let theirs = tokio::spawn(async { get_running_loop().unwrap() });
            assert!(Arc::ptr_eq(&here, &theirs.await.unwrap()));
            assert!(Arc::ptr_eq(&here, &policy::get_event_loop().unwrap()));
        });
    }
}

#[test]
fn two_runtimes_are_two_loops() {
    let [first, second] = runtimes();
    let found = |runtime: &Runtime| runtime.block_on(async { get_running_loop().unwrap() });
    let (one, two) = (found(&first), found(&second));
    assert!(!Arc::ptr_eq(&one, &two));
    assert!(Arc::ptr_eq(&one, &found(&first)), "and stay what they are");
    // Tasks of one are awaited in the other.
    let task = two.spawn(async { Handle::current().id() });
    assert_eq!(first.block_on(task).unwrap(), second.handle().id());
}

#[test]
fn outside_the_runtime_there_is_no_loop() {
    let [runtime, _] = runtimes();
    runtime.block_on(async { assert!(get_running_loop().is_ok()) });
    assert_eq!(get_running_loop().unwrap_err().kind(), ErrorKind::NoRunningLoop);
    assert_eq!(policy::try_spawn(async {}).unwrap_err().kind(), ErrorKind::NoRunningLoop);
    let entered = runtime.enter();
    assert!(policy::try_spawn(async {}).is_ok(), "inside `enter` there is");
    drop(entered);
    assert!(policy::try_spawn(async {}).is_err());
}

#[test]
fn a_runtime_of_others_is_neither_run_nor_closed() {
    for runtime in runtimes() {
        let event_loop = runtime.block_on(async {
            let event_loop = get_running_loop().unwrap();
            assert_eq!(event_loop.close().unwrap_err().kind(), ErrorKind::CloseWhileRunning);
            assert_eq!(
                event_loop.run_until_complete(async {}).unwrap_err().kind(),
                ErrorKind::AlreadyRunning
            );
            let nested = policy::try_run(async { panic!("polled") });
            assert_eq!(nested.map(|(): ()| ()).unwrap_err().kind(), ErrorKind::OtherLoopRunning);
            event_loop
        });
        assert_eq!(event_loop.close().unwrap_err().kind(), ErrorKind::CloseWhileRunning);
        drop(runtime);
        assert!(event_loop.is_closed(), "it goes with its runtime");
        assert_eq!(event_loop.try_spawn(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
    }
}

#[test]
fn tasks_end_as_cancelled_when_their_runtime_goes() {
    for runtime in runtimes() {
        let task = runtime.block_on(async { policy::spawn(std::future::pending::<()>()) });
        drop(runtime);
        assert!(futures_lite::future::block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_dropped_handle_detaches_under_tokio_too() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (send, receive) = tokio::sync::oneshot::channel();
            drop(policy::spawn(async move {
                policy::task::yield_now().await;
                send.send(1).unwrap();
            }));
            assert_eq!(receive.await.unwrap(), 1);
        });
    }
}

#[test]
fn a_blocking_job_finds_the_runtime_that_it_came_from() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let here = get_running_loop().unwrap();
            let job = policy::spawn_blocking(|| {
                assert!(get_running_loop().is_err(), "no loop runs on such a thread");
                policy::spawn(async { get_running_loop().unwrap() })
            });
            let found = job.await.unwrap().await.unwrap();
            assert!(Arc::ptr_eq(&here, &found));
            // It may run a loop of its own.
            let ran = policy::spawn_blocking(|| policy::run(async { 1 })).await;
            assert_eq!(ran.unwrap(), 1);
        });
    }
}

#[test]
fn local_tasks_are_refused_with_the_loops_reason() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let error = policy::try_spawn_local(async {}).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("LocalSet"), "{error}");
        });
    }
}

#[test]
fn a_timer_where_the_runtime_has_none_is_a_typed_error() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let event_loop = get_running_loop().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(1);
        let error = event_loop.timer(deadline).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("enable_time"), "{error}");
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn a_loop_of_a_policy_inside_a_runtime_is_the_running_one() {
    // `within` beats adoption: the loop that was named is meant.
    let [runtime, _] = runtimes();
    let event_loop = policy::new_event_loop().unwrap();
    let named = event_loop.clone();
    runtime.block_on(policy::within(event_loop.clone(), async move {
        assert!(Arc::ptr_eq(&get_running_loop().unwrap(), &named));
    }));
    event_loop.close().unwrap();
}

#[test]
fn a_plain_thread_finds_the_background_loop_of_a_multi_thread_policy() {
    let policy = policy::TokioPolicy::multi_thread().worker_threads(2);
    policy::with_event_loop_policy(policy, || {
        let first = policy::spawn(async { Handle::current().id() });
        let first = futures_lite::future::block_on(first).unwrap();
        let second = policy::spawn(async {
            policy::time::sleep(Duration::from_millis(1)).await;
            Handle::current().id()
        });
        assert_eq!(futures_lite::future::block_on(second).unwrap(), first, "always the same one");
        let sleep = policy::time::sleep(Duration::from_millis(1));
        futures_lite::future::block_on(sleep);
        let job = policy::spawn_blocking(|| thread::current().id());
        assert_ne!(futures_lite::future::block_on(job).unwrap(), thread::current().id());
    });
}

#[test]
fn no_loop_is_run_inside_a_task_of_a_plain_runtime() {
    for runtime in runtimes() {
        let nested = async {
            // smol's, which tokio would not notice: it would block the task's thread.
            let event_loop = policy::new_event_loop().unwrap();
            let error = event_loop.run_until_complete(async { 1 }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
            assert_eq!(event_loop.run_forever().unwrap_err().kind(), ErrorKind::OtherLoopRunning);
            assert!(!event_loop.is_running());
            event_loop
        };
        let event_loop = runtime.block_on(nested);
        assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
        event_loop.close().unwrap();
        // Where tokio allows to block, a loop may be run.
        let blocking = runtime.spawn_blocking(|| {
            let event_loop = policy::new_event_loop().unwrap();
            let result = event_loop.run_until_complete(async { 1 }).unwrap();
            event_loop.close().unwrap();
            result
        });
        assert_eq!(runtime.block_on(blocking).unwrap(), 1);
        let _entered = runtime.enter();
        assert_eq!(policy::run(async { 2 }), 2);
    }
}

#[test]
fn callbacks_run_by_themselves_on_a_plain_runtime() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let event_loop = get_running_loop().unwrap();
            let order = Arc::new(std::sync::Mutex::new(Vec::new()));
            let (send, mut done) = tokio::sync::mpsc::unbounded_channel();
            for n in 0..10 {
                let (order, inner) = (order.clone(), event_loop.clone());
                event_loop.call_soon(move || {
                    assert!(Arc::ptr_eq(&get_running_loop().unwrap(), &inner));
                    order.lock().unwrap().push(n);
                });
            }
            event_loop.call_soon(|| panic!("the callback of this test"));
            event_loop.call_later(Duration::from_millis(1), move || send.send(()).unwrap());
            done.recv().await.unwrap();
            assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
        });
    }
}

#[test]
fn the_handler_of_an_adopted_runtime_is_told() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let (send, mut told) = tokio::sync::mpsc::unbounded_channel();
            get_running_loop().unwrap().set_exception_handler(Some(Arc::new(
                move |event_loop, context| {
                    let said = context.panic_message().unwrap_or_default().to_string();
                    send.send((event_loop.name().to_string(), said)).unwrap();
                },
            )));
            let task: policy::task::JoinHandle<()> = policy::spawn(async { panic!("bad luck") });
            drop(task);
            let (name, said) = told.recv().await.unwrap();
            assert_eq!((&*name, &*said), ("tokio:handle", "bad luck"));
        });
    }
}

#[test]
fn local_tasks_are_had_beside_a_found_runtime_as_the_error_says() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let refused = policy::try_spawn_local(async {}).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
            for remedy in ["`tokio::task::LocalSet`", "`policy::run`", "`spawn_blocking`"] {
                assert!(refused.to_string().contains(remedy), "{refused}");
            }
            let here = policy::get_running_loop().unwrap();
            let job = policy::spawn_blocking(move || {
                policy::run(async move {
                    let local = std::rc::Rc::new(6);
                    let task = policy::spawn_local(async move { *local });
                    // And what belongs to the runtime is reached from there.
                    task.await.unwrap() + here.spawn(async { 1 }).await.unwrap()
                })
            });
            assert_eq!(job.await.unwrap(), 7);
            let set = tokio::task::LocalSet::new();
            let local = std::rc::Rc::new(8);
            let inside = set.run_until(async move {
                tokio::task::spawn_local(async move {
                    policy::time::sleep(std::time::Duration::from_millis(1)).await;
                    *local
                })
                .await
            });
            assert_eq!(inside.await.unwrap(), 8);
        });
    }
}
