//! How a loop ends.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, Weak, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use policy_core::task::{self, JoinHandle};
use policy_core::{ErrorKind, EventLoop};

use super::common::{Dropped, HANG, OnDrop};
use super::{another, on_each_kind, on_each_loop, on_each_self_driving_loop};

#[test]
fn closing_cancels_the_tasks_that_are_left() {
    on_each_loop(|event_loop| {
        let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let dropped: Vec<Dropped> = (0..3).map(|_| Dropped::default()).collect();
        let (in_reactor, in_hand, unpolled) =
            (dropped[0].on_drop(), dropped[1].on_drop(), dropped[2].on_drop());
        let timer = event_loop.timer(Instant::now() + Duration::from_secs(3600)).unwrap();
        let mut handles = vec![
            event_loop.spawn(async move {
                let _in_reactor = in_reactor;
                timer.await;
            }),
            event_loop.spawn({
                let kept = kept.clone();
                async move {
                    let _in_hand = in_hand;
                    std::future::poll_fn(|cx| {
                        kept.lock().unwrap().push(cx.waker().clone());
                        Poll::<()>::Pending
                    })
                    .await;
                }
            }),
        ];
        while kept.lock().unwrap().is_empty() {
            event_loop.run_until_complete(future::yield_now()).unwrap();
        }
        handles.push(event_loop.spawn(async move {
            let _unpolled = unpolled;
            pending::<()>().await;
        }));
        event_loop.close().unwrap();
        for (index, handle) in handles.into_iter().enumerate() {
            assert!(dropped[index].is_set(), "{index}");
            assert!(cancelled(handle), "{index}");
        }
        // A waker that outlives its task wakes nothing.
        kept.lock().unwrap().drain(..).for_each(Waker::wake);
    });
}

#[test]
fn a_closed_loop_takes_nothing() {
    on_each_loop(|event_loop| {
        event_loop.close().unwrap();
        assert_eq!(event_loop.try_spawn(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
        assert!(cancelled(event_loop.spawn(async {})));
        let error = event_loop.run_until_complete(async {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoopClosed);
    });
}

#[test]
fn a_task_that_comes_when_the_loop_is_closed_already_is_dropped() {
    on_each_loop(|event_loop| {
        event_loop.close().unwrap();
        // Past the checks, as a thread does that was overtaken by `close`.
        let (task, handle) = task::new(async {});
        let refused = match event_loop.is_self_driving() {
            true => ErrorKind::LoopClosed,
            // It has no executor: its tasks are in the core's queue.
            false => ErrorKind::Unsupported,
        };
        assert_eq!(event_loop.submit(task).unwrap_err().kind(), refused);
        assert!(cancelled(handle));
    });
}

#[test]
fn a_destructor_that_spawns_while_the_loop_closes_is_refused() {
    on_each_loop(|event_loop| {
        let (tell, wait) = mpsc::channel();
        let weak = Arc::downgrade(&event_loop);
        let spawns = OnDrop(move || {
            let event_loop = weak.upgrade().unwrap();
            let refused = event_loop.try_spawn(async {}).map(drop).unwrap_err().kind();
            // Past the check, as a thread does that was overtaken by `close`.
            let (task, handle) = task::new(pending::<()>());
            let _refused = event_loop.submit(task);
            tell.send((refused, handle)).unwrap();
        });
        drop(event_loop.spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        }));
        event_loop.run_until_complete(future::yield_now()).unwrap();
        event_loop.close().unwrap();
        let (refused, handle) = wait.recv_timeout(HANG).unwrap();
        assert_eq!(refused, ErrorKind::LoopClosed);
        assert!(cancelled(handle));
    });
}

#[test]
fn a_task_that_is_spawned_while_the_loop_closes_runs_or_is_cancelled() {
    on_each_kind(|make| {
        for _ in 0..100 {
            let event_loop = make();
            let ready = Arc::new(Barrier::new(3));
            let spawners: Vec<_> = (0..2)
                .map(|_| {
                    let (event_loop, ready) = (event_loop.clone(), ready.clone());
                    thread::spawn(move || {
                        let mut handles = vec![event_loop.spawn(pending::<()>())];
                        ready.wait();
                        while !event_loop.is_closed() {
                            handles.push(event_loop.spawn(async {}));
                        }
                        handles
                    })
                })
                .collect();
            ready.wait();
            event_loop.close().unwrap();
            for spawner in spawners {
                for handle in spawner.join().unwrap() {
                    assert!(handle.is_finished());
                }
            }
        }
    });
}

#[test]
fn a_task_that_is_woken_while_the_loop_closes_is_cancelled() {
    on_each_kind(|make| {
        for round in 0..250 {
            let event_loop = make();
            let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
            let handles: Vec<_> = (0..8)
                .map(|_| {
                    let kept = kept.clone();
                    event_loop.spawn(std::future::poll_fn(move |cx| {
                        kept.lock().unwrap().push(cx.waker().clone());
                        Poll::<()>::Pending
                    }))
                })
                .collect();
            while kept.lock().unwrap().len() < 8 {
                event_loop.run_until_complete(future::yield_now()).unwrap();
            }
            let wakers = std::mem::take(&mut *kept.lock().unwrap());
            let ready = Arc::new(Barrier::new(2));
            let waking = thread::spawn({
                let ready = ready.clone();
                move || {
                    ready.wait();
                    wakers.into_iter().for_each(Waker::wake);
                }
            });
            ready.wait();
            event_loop.close().unwrap();
            waking.join().unwrap();
            let lost = handles.iter().filter(|handle| !handle.is_finished()).count();
            assert_eq!(lost, 0, "in round {round}");
        }
    });
}

#[test]
fn a_loop_closes_inside_its_own_task() {
    on_each_self_driving_loop(|event_loop| {
        let dropped = Dropped::default();
        let guard = dropped.on_drop();
        let left = event_loop.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let (tell, wait) = mpsc::channel();
        drop(event_loop.spawn({
            let event_loop = event_loop.clone();
            async move { tell.send(event_loop.close()).unwrap() }
        }));
        wait.recv_timeout(HANG).unwrap().unwrap();
        assert!(cancelled(left));
        assert!(dropped.is_set());
    });
}

#[test]
fn a_task_that_blocks_its_worker_does_not_hold_up_close() {
    on_each_self_driving_loop(|event_loop| {
        let (tell, wait) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        drop(event_loop.spawn(async move {
            tell.send(()).unwrap();
            released.recv().unwrap();
        }));
        let left = event_loop.spawn(pending::<()>());
        wait.recv_timeout(HANG).unwrap();
        event_loop.close().unwrap();
        release.send(()).unwrap();
        // The last worker to stop drops the rest.
        assert!(cancelled(left));
    });
}

#[test]
fn dropping_the_last_handle_drops_the_tasks() {
    on_each_kind(|make| {
        let event_loop = make();
        let handle = event_loop.spawn(pending::<()>());
        drop(event_loop);
        assert!(handle.is_finished());
        assert!(cancelled(handle));
    });
}

#[test]
fn the_last_handle_may_be_dropped_inside_async_code() {
    on_each_kind(|make| {
        let event_loop = make();
        let handle = event_loop.spawn(pending::<()>());
        let other = another();
        other.run_until_complete(async move { drop(event_loop) }).unwrap();
        assert!(cancelled(handle));
        other.close().unwrap();
    });
}

#[test]
fn the_last_handle_may_be_dropped_inside_a_task_of_the_loop() {
    on_each_kind(|make| {
        let event_loop = make();
        if !event_loop.is_self_driving() {
            return event_loop.close().unwrap();
        }
        let weak = Arc::downgrade(&event_loop);
        let left = event_loop.spawn(pending::<()>());
        let alone = Arc::new(AtomicBool::new(false));
        let kept = event_loop.clone();
        drop(event_loop.spawn({
            let alone = alone.clone();
            async move {
                while !alone.load(Ordering::SeqCst) {
                    future::yield_now().await;
                }
                drop(kept);
            }
        }));
        drop(event_loop);
        alone.store(true, Ordering::SeqCst);
        assert!(cancelled(left));
        while weak.strong_count() > 0 {
            thread::yield_now();
        }
    });
}

#[test]
fn a_closed_loop_is_freed() {
    on_each_kind(|make| {
        let event_loop = make();
        // A cycle, until the loop is closed.
        let kept = event_loop.clone();
        drop(event_loop.spawn(async move {
            let _kept = kept;
            pending::<()>().await;
        }));
        event_loop.run_until_complete(future::yield_now()).unwrap();
        event_loop.close().unwrap();
        let weak: Weak<dyn EventLoop> = Arc::downgrade(&event_loop);
        drop(event_loop);
        assert!(weak.upgrade().is_none());
    });
}

fn cancelled<T>(handle: JoinHandle<T>) -> bool {
    match futures_lite::future::block_on(handle) {
        Ok(_) => false,
        Err(error) => error.is_cancelled(),
    }
}
