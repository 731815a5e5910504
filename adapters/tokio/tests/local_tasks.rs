//! Tasks that stay on their thread.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(clippy::async_yields_async, reason = "a handle is to outlive the run that made it")]

mod support;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;

use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, context};
use policy_tokio::TokioPolicy;
use support::yield_now;
use support::{Gate, OnDrop, current_thread, guarded, multi_thread, owned, plain_multi_thread};

fn all() -> Vec<Arc<dyn EventLoop>> {
    let mut all = owned();
    let runtime = Box::leak(Box::new(plain_multi_thread()));
    all.push(TokioPolicy::from_handle(runtime.handle().clone()).new_event_loop().unwrap());
    all
}

#[test]
fn a_local_task_runs_on_the_thread_that_drives() {
    for event_loop in all() {
        guarded(move || {
            let here = thread::current().id();
            let shared = Rc::new(Cell::new(0));
            let result = event_loop.run_until_complete(async {
                let ours = shared.clone();
                let expected = event_loop.clone();
                let task = event_loop.spawn_local(async move {
                    yield_now().await;
                    ours.set(7);
                    let found = context::running().unwrap();
                    (thread::current().id(), Arc::ptr_eq(&found, &expected))
                });
                task.await.unwrap()
            });
            assert_eq!(result.unwrap(), (here, true));
            assert_eq!(shared.get(), 7);
        });
    }
}

#[test]
fn a_task_of_the_loop_spawns_a_local_one_while_main_sleeps() {
    guarded(|| {
        let event_loop = current_thread();
        let done = Gate::default();
        event_loop
            .run_until_complete(async {
                let (inner, opened) = (event_loop.clone(), done.clone());
                // Not polled by main, and main is not woken by it.
                drop(event_loop.spawn(async move {
                    yield_now().await;
                    drop(inner.spawn_local(async move { opened.open() }));
                }));
                done.wait().await;
            })
            .unwrap();
    });
}

#[test]
fn a_local_task_spawns_local_tasks_and_is_woken_from_another_thread() {
    for event_loop in all() {
        guarded(move || {
            let gate = Gate::default();
            let result = event_loop.run_until_complete(async {
                let (inner, wait) = (event_loop.clone(), gate.clone());
                let outer = event_loop.spawn_local(async move {
                    let nested = inner.spawn_local(async move {
                        wait.wait().await;
                        Rc::new(5)
                    });
                    *nested.await.unwrap()
                });
                yield_now().await;
                let open = gate.clone();
                thread::spawn(move || open.open());
                outer.await.unwrap()
            });
            assert_eq!(result.unwrap(), 5);
        });
    }
}

#[test]
fn a_local_task_waits_for_the_next_run() {
    for event_loop in all() {
        guarded(move || {
            let gate = Gate::default();
            let wait = gate.clone();
            let task = event_loop
                .run_until_complete(async {
                    let task = event_loop.spawn_local(async move {
                        wait.wait().await;
                        1
                    });
                    yield_now().await;
                    task
                })
                .unwrap();
            assert!(!task.is_finished());
            gate.open();
            assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 1);
        });
    }
}

#[test]
fn a_thread_that_does_not_drive_the_loop_is_refused() {
    for event_loop in all() {
        guarded(move || {
            let refused = |event_loop: &Arc<dyn EventLoop>| {
                event_loop.try_spawn_local(async {}).unwrap_err().kind() == ErrorKind::WrongThread
            };
            assert!(refused(&event_loop), "nobody drives it");
            let other = event_loop.clone();
            event_loop
                .run_until_complete(async {
                    assert!(event_loop.try_spawn_local(async {}).is_ok());
                    let there = thread::spawn(move || refused(&other));
                    assert!(there.join().unwrap());
                })
                .unwrap();
            assert!(refused(&event_loop), "nobody drives it any more");
        });
    }
}

#[test]
fn a_worker_thread_has_no_local_tasks() {
    guarded(|| {
        let event_loop = multi_thread();
        let inner = event_loop.clone();
        let task =
            event_loop.spawn(async move { inner.try_spawn_local(async {}).map(drop).unwrap_err() });
        let error = event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::WrongThread);
    });
}

#[test]
fn local_tasks_of_two_loops_on_one_thread_are_kept_apart() {
    guarded(|| {
        let (first, second) = (current_thread(), current_thread());
        let counted = Rc::new(Cell::new(0));
        for event_loop in [&first, &second] {
            let counted = counted.clone();
            event_loop
                .run_until_complete(async {
                    drop(event_loop.spawn_local(async move {
                        yield_now().await;
                        counted.set(counted.get() + 1);
                    }));
                })
                .unwrap();
        }
        assert_eq!(counted.get(), 0);
        first
            .run_until_complete(async {
                yield_now().await;
                yield_now().await
            })
            .unwrap();
        assert_eq!(counted.get(), 1);
    });
}

#[test]
fn closing_drops_local_tasks_here() {
    for event_loop in all() {
        guarded(move || {
            let (sent, received) = mpsc::channel();
            let task = event_loop
                .run_until_complete(async {
                    let task = event_loop.spawn_local(async move {
                        let _dropped = OnDrop(sent, "dropped");
                        pending::<()>().await;
                    });
                    yield_now().await;
                    task
                })
                .unwrap();
            event_loop.close().unwrap();
            assert_eq!(received.try_recv(), Ok("dropped"));
            assert!(task.is_finished());
        });
    }
}

#[test]
fn a_thread_that_ends_drops_its_local_tasks() {
    for event_loop in all() {
        let (sent, received) = mpsc::channel();
        let inner = event_loop.clone();
        let task = thread::spawn(move || {
            inner
                .run_until_complete(async {
                    let gate = Gate::default();
                    // Dropping the first wakes the second: at the worst of times.
                    let wakes = WakeOnDrop(gate.clone());
                    let pending_one = inner.spawn_local(async move {
                        let _wakes = wakes;
                        pending::<()>().await;
                    });
                    drop(inner.spawn_local(async move {
                        let _dropped = OnDrop(sent, "dropped");
                        let _ = pending_one.await;
                        gate.wait().await;
                        pending::<()>().await;
                    }));
                    drop(inner.spawn_local(tokio_timer(inner.clone())));
                    yield_now().await;
                })
                .unwrap();
        });
        task.join().unwrap();
        assert_eq!(received.recv().unwrap(), "dropped");
        event_loop.close().unwrap();
    }
}

struct WakeOnDrop(Gate);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

async fn tokio_timer(_kept: Arc<dyn EventLoop>) {
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
}
