//! Tasks that stay on the thread that drives their loop.
#![allow(clippy::async_yields_async, reason = "handles of one run are awaited in the next")]

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use policy_core::{ErrorKind, EventLoop};

use super::common::{Dropped, HANG, OnDrop};
use super::{another, on_each_kind, on_each_loop, on_each_self_driving_loop};

#[test]
fn a_local_task_runs_on_the_thread_that_drives() {
    on_each_loop(|event_loop| {
        let here = thread::current().id();
        let shared = Rc::new(Cell::new(0));
        let seen = shared.clone();
        let ran_on = event_loop
            .run_until_complete(async {
                let task = async move {
                    shared.set(42);
                    thread::current().id()
                };
                event_loop.spawn_local(task).await.unwrap()
            })
            .unwrap();
        assert_eq!(ran_on, here);
        assert_eq!(seen.get(), 42);
    });
}

#[test]
fn a_local_task_that_a_task_spawned_is_polled() {
    on_each_loop(|event_loop| {
        if event_loop.is_self_driving() {
            // Its tasks may run on other threads, which can't spawn local ones.
            return;
        }
        // The main future only waits: what wakes the driver is the spawn itself.
        let (tell, wait) = mpsc::channel();
        drop(event_loop.spawn({
            let event_loop = event_loop.clone();
            async move {
                let stop = event_loop.clone();
                drop(event_loop.spawn_local(async move {
                    tell.send(()).unwrap();
                    stop.stop();
                }));
            }
        }));
        event_loop.run_forever().unwrap();
        wait.try_recv().unwrap();
    });
}

#[test]
fn local_tasks_wait_for_timers_and_for_other_threads() {
    on_each_loop(|event_loop| {
        event_loop
            .run_until_complete(async {
                let soon = Instant::now() + Duration::from_millis(5);
                let timer = event_loop.timer(soon).unwrap();
                let job = event_loop.spawn_blocking(|| 6 * 7);
                let both = event_loop.spawn_local(async move {
                    timer.await;
                    job.await.unwrap()
                });
                assert_eq!(both.await.unwrap(), 42);
            })
            .unwrap();
    });
}

#[test]
fn many_local_tasks_spawn_more_of_them() {
    on_each_loop(|event_loop| {
        let count = Rc::new(Cell::new(0));
        event_loop
            .run_until_complete(async {
                let outer: Vec<_> = (0..500)
                    .map(|_| {
                        let (event_loop, count) = (event_loop.clone(), count.clone());
                        event_loop.clone().spawn_local(async move {
                            future::yield_now().await;
                            let inner = event_loop.spawn_local(async move {
                                count.set(count.get() + 1);
                            });
                            inner.await.unwrap();
                        })
                    })
                    .collect();
                for task in outer {
                    task.await.unwrap();
                }
            })
            .unwrap();
        assert_eq!(count.get(), 500);
    });
}

#[test]
fn a_local_task_stays_for_the_next_run_on_its_thread() {
    on_each_loop(|event_loop| {
        let go = Rc::new(Cell::new(false));
        let handle = event_loop
            .run_until_complete(async {
                let go = go.clone();
                event_loop.spawn_local(async move {
                    while !go.get() {
                        future::yield_now().await;
                    }
                    7
                })
            })
            .unwrap();
        assert!(!handle.is_finished());
        go.set(true);
        assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 7);
    });
}

#[test]
fn a_local_task_from_a_thread_that_does_not_drive_is_refused() {
    on_each_loop(|event_loop| {
        let refused = |event_loop: &Arc<dyn EventLoop>| {
            event_loop.try_spawn_local(async {}).unwrap_err().kind()
        };
        assert_eq!(refused(&event_loop), ErrorKind::WrongThread);
        event_loop
            .run_until_complete(async {
                let elsewhere = thread::spawn({
                    let event_loop = event_loop.clone();
                    move || refused(&event_loop)
                });
                assert_eq!(elsewhere.join().unwrap(), ErrorKind::WrongThread);
            })
            .unwrap();
        // Nor after a run: nothing is left that would poll it.
        assert_eq!(refused(&event_loop), ErrorKind::WrongThread);
    });
}

#[test]
fn a_local_task_on_a_thread_of_the_executor_is_refused() {
    on_each_self_driving_loop(|event_loop| {
        let (tell, wait) = mpsc::channel();
        drop(event_loop.spawn({
            let event_loop = event_loop.clone();
            async move {
                let error = event_loop.try_spawn_local(async {}).unwrap_err();
                tell.send(error.kind()).unwrap();
            }
        }));
        assert_eq!(wait.recv_timeout(HANG).unwrap(), ErrorKind::WrongThread);
    });
}

#[test]
fn closing_drops_local_tasks() {
    on_each_loop(|event_loop| {
        let dropped = Dropped::default();
        let guard = dropped.on_drop();
        let handle = event_loop
            .run_until_complete(async {
                event_loop.spawn_local(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
            })
            .unwrap();
        event_loop.run_until_complete(future::yield_now()).unwrap();
        assert!(!dropped.is_set());
        event_loop.close().unwrap();
        assert!(dropped.is_set());
        let other = another();
        let error = other.run_until_complete(handle).unwrap().unwrap_err();
        assert!(error.is_cancelled());
        other.close().unwrap();
    });
}

#[test]
fn a_thread_that_ends_drops_its_local_tasks() {
    on_each_loop(|event_loop| {
        let (tell, wait) = mpsc::channel();
        thread::spawn({
            let event_loop = event_loop.clone();
            move || {
                let in_task = event_loop.clone();
                event_loop
                    .run_until_complete(async {
                        drop(event_loop.spawn_local(async move {
                            // A destructor that uses what is being destroyed.
                            let _spawns = OnDrop(move || {
                                drop(in_task.spawn(async {}));
                                let error = in_task.try_spawn_local(async {}).unwrap_err();
                                tell.send(error.kind()).unwrap();
                            });
                            pending::<()>().await;
                        }));
                        // Until the task has begun.
                        future::yield_now().await;
                    })
                    .unwrap();
            }
        })
        .join()
        .unwrap();
        assert_eq!(wait.try_recv().unwrap(), ErrorKind::WrongThread);
    });
}

#[test]
fn the_last_handle_may_go_with_a_local_task_when_its_thread_ends() {
    on_each_kind(|make| {
        let weak = thread::spawn(move || {
            let event_loop = make();
            let kept = event_loop.clone();
            event_loop
                .run_until_complete(async {
                    drop(event_loop.spawn_local(async move {
                        let _kept = kept;
                        pending::<()>().await;
                    }));
                })
                .unwrap();
            Arc::downgrade(&event_loop)
        })
        .join()
        .unwrap();
        assert!(weak.upgrade().is_none());
    });
}
