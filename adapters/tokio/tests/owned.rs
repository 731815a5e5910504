//! Loops that own their runtime, of both flavours.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::cell::RefCell;
use std::future::pending;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, LoopKind, context};
use policy_tokio::TokioPolicy;
use support::{OnDrop, current_thread, guarded, multi_thread, owned, plain_current_thread};
use support::{plain_multi_thread, yield_now};

fn is_running_here(event_loop: &Arc<dyn EventLoop>) -> bool {
    context::running().is_some_and(|running| Arc::ptr_eq(&running, event_loop))
}

#[test]
fn loops_are_named_after_their_flavour() {
    assert_eq!(current_thread().name(), "tokio:current_thread");
    assert_eq!(multi_thread().name(), "tokio:multi_thread");
    assert!(owned().iter().all(|event_loop| event_loop.kind() == LoopKind::Selector));
}

#[test]
fn only_multi_thread_loops_drive_themselves() {
    assert!(!current_thread().is_self_driving());
    assert!(multi_thread().is_self_driving());
    assert!(TokioPolicy::current_thread().background_loop().unwrap().is_none());
    let policy = TokioPolicy::default().worker_threads(1);
    let event_loop = policy.background_loop().unwrap().unwrap();
    assert!(Arc::ptr_eq(&event_loop, &policy.background_loop().unwrap().unwrap()));
    let (sent, received) = mpsc::channel();
    drop(event_loop.spawn(async move { sent.send(1) }));
    assert_eq!(received.recv_timeout(Duration::from_secs(20)), Ok(1));
}

#[test]
fn no_worker_threads_is_an_error_when_a_loop_is_made() {
    for policy in [
        TokioPolicy::multi_thread().worker_threads(0),
        TokioPolicy::current_thread().worker_threads(0),
        TokioPolicy::current_thread().worker_threads(4),
    ] {
        assert_eq!(policy.new_event_loop().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn tasks_find_their_loop_on_every_thread() {
    for event_loop in owned() {
        guarded(move || {
            let expected = event_loop.clone();
            let found = event_loop
                .run_until_complete(async {
                    assert!(is_running_here(&expected));
                    let mut found = Vec::new();
                    for _ in 0..50 {
                        let expected = expected.clone();
                        let task = expected.clone().spawn(async move {
                            let before = is_running_here(&expected);
                            yield_now().await;
                            before && is_running_here(&expected)
                        });
                        found.push(task.await.unwrap());
                    }
                    // tokio's own tasks are this loop's, too.
                    let expected = expected.clone();
                    found.push(
                        tokio::spawn(async move { is_running_here(&expected) }).await.unwrap(),
                    );
                    found
                })
                .unwrap();
            assert!(found.into_iter().all(|found| found), "{event_loop:?}");
            assert!(context::running().is_none());
        });
    }
}

#[test]
fn a_blocking_job_sees_no_running_loop_and_finds_its_own() {
    for event_loop in owned() {
        guarded(move || {
            let job = event_loop.spawn_blocking(|| {
                (context::running().is_none(), context::with_ambient(|found| found.state().id()))
            });
            let (none, found) = event_loop.run_until_complete(job).unwrap().unwrap();
            assert!(none);
            assert_eq!(found, Some(event_loop.state().id()));
        });
    }
}

#[test]
fn a_blocking_job_may_run_a_loop() {
    for event_loop in owned() {
        guarded(move || {
            let job = event_loop.spawn_blocking(|| {
                let inner = current_thread();
                let result = inner.run_until_complete(async { 1 });
                inner.close().unwrap();
                result
            });
            assert_eq!(event_loop.run_until_complete(job).unwrap().unwrap().unwrap(), 1);
        });
    }
}

#[test]
fn a_loop_can_run_where_tokio_lets_its_threads_block() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let event_loop = current_thread();
        let here = event_loop.clone();
        let job = runtime.spawn_blocking(move || here.run_until_complete(async { 1 }));
        assert_eq!(runtime.block_on(job).unwrap().unwrap(), 1);
        let here = event_loop.clone();
        let task = runtime.spawn(async move {
            tokio::task::block_in_place(|| here.run_until_complete(async { 2 }))
        });
        assert_eq!(runtime.block_on(task).unwrap().unwrap(), 2);
        let _entered = runtime.enter();
        assert_eq!(event_loop.run_until_complete(async { 3 }).unwrap(), 3);
    });
}

#[test]
fn a_loop_inside_a_plain_runtime_is_refused_and_not_polled() {
    for event_loop in owned() {
        guarded(move || {
            let inner = event_loop.clone();
            let error = plain_current_thread().block_on(async move {
                inner.run_until_complete(async { panic!("polled") }).unwrap_err()
            });
            assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
            assert!(error.to_string().contains("std::thread::spawn"));
            let inner = event_loop.clone();
            let task = plain_multi_thread();
            let error = task
                .block_on(
                    task.spawn(async move { inner.run_until_complete(async {}).unwrap_err() }),
                )
                .unwrap();
            assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
            // The loop is none the worse for it.
            assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
        });
    }
}

#[test]
fn asking_whether_a_runtime_polls_costs_a_task_none_of_its_budget() {
    guarded(|| {
        let outer = plain_current_thread();
        let inner = current_thread();
        outer.block_on(async move {
            yield_now().await;
            assert!(inner.run_until_complete(async {}).is_err());
            // A whole budget is 128: a hundred steps are left of it.
            for _ in 0..100 {
                let step = std::pin::pin!(tokio::task::coop::consume_budget());
                assert!(support::poll_once(step).is_ready());
            }
        });
    });
}

#[test]
fn an_unconstrained_task_that_runs_a_loop_gets_the_error_too() {
    guarded(|| {
        let inner = current_thread();
        let outer = plain_current_thread();
        let error = outer.block_on(tokio::task::unconstrained(async {
            inner.run_until_complete(async {}).unwrap_err()
        }));
        assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
        assert_eq!(inner.run_until_complete(async { 1 }).unwrap(), 1);
    });
}

#[test]
fn tasks_of_a_current_thread_loop_wait_for_the_next_run() {
    guarded(|| {
        let event_loop = current_thread();
        let task = event_loop.spawn(async {
            yield_now().await;
            7
        });
        assert!(!task.is_finished());
        event_loop.run_until_complete(async {}).unwrap();
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 7);
    });
}

#[test]
fn a_panic_of_a_task_is_a_value_and_harms_nobody() {
    for event_loop in owned() {
        guarded(move || {
            let bad = event_loop.spawn(async { panic!("boom") });
            let good = event_loop.spawn(async { 1 });
            let (bad, good) =
                event_loop.run_until_complete(async { (bad.await, good.await) }).unwrap();
            assert!(bad.unwrap_err().is_panic());
            assert_eq!(good.unwrap(), 1);
        });
    }
}

#[test]
fn closing_drops_the_tasks_that_are_left() {
    for event_loop in owned() {
        guarded(move || {
            let (sent, received) = mpsc::channel();
            let started = sent.clone();
            let task = event_loop.spawn(async move {
                let _dropped = OnDrop(sent, "dropped");
                started.send("started").unwrap();
                pending::<()>().await;
            });
            event_loop.run_until_complete(yield_now()).unwrap();
            assert_eq!(received.recv(), Ok("started"));
            event_loop.close_within(Duration::from_secs(40)).unwrap();
            assert_eq!(received.try_recv(), Ok("dropped"), "{event_loop:?}");
            assert!(task.is_finished());
            assert_eq!(event_loop.try_spawn(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
            assert!(event_loop.spawn(async {}).is_finished());
        });
    }
}

#[test]
fn closing_without_a_limit_of_time_drops_tasks_too() {
    for event_loop in owned() {
        guarded(move || {
            let task = event_loop.spawn(pending::<()>());
            event_loop.close().unwrap();
            let error = current_thread().run_until_complete(task).unwrap().unwrap_err();
            assert!(error.is_cancelled());
        });
    }
}

#[test]
fn closing_drops_tasks_while_a_blocking_job_runs() {
    for event_loop in owned() {
        guarded(move || {
            let (release, held) = mpsc::channel::<()>();
            let (begun, begins) = mpsc::channel();
            let job = event_loop.spawn_blocking(move || {
                begun.send(()).unwrap();
                held.recv()
            });
            begins.recv().unwrap();
            // The job waits for what the task holds.
            let task = event_loop.spawn(async move {
                let _release = release;
                pending::<()>().await;
            });
            event_loop.close_within(Duration::from_secs(40)).unwrap();
            assert!(task.is_finished());
            assert!(job.is_finished());
        });
    }
}

#[test]
fn a_destructor_sees_its_loop_while_it_closes() {
    for event_loop in owned() {
        guarded(move || {
            struct Look(mpsc::Sender<Option<(bool, bool)>>, Arc<dyn EventLoop>);
            impl Drop for Look {
                fn drop(&mut self) {
                    let seen = context::with_running(|found| {
                        (Arc::ptr_eq(found, &self.1), found.is_closed())
                    });
                    self.0.send(seen).unwrap();
                }
            }
            let (sent, received) = mpsc::channel();
            let look = Look(sent, event_loop.clone());
            drop(event_loop.spawn(async move {
                let _look = look;
                pending::<()>().await;
            }));
            event_loop.run_until_complete(yield_now()).unwrap();
            event_loop.close().unwrap();
            assert_eq!(received.recv().unwrap(), Some((true, true)));
        });
    }
}

#[test]
fn closing_inside_async_code_does_not_panic() {
    for outer in [plain_current_thread(), plain_multi_thread()] {
        guarded(move || {
            for event_loop in owned() {
                let task = event_loop.spawn(pending::<()>());
                let cancelled = outer.block_on(async {
                    event_loop.close_within(Duration::from_secs(40)).unwrap();
                    task.await.unwrap_err()
                });
                assert!(cancelled.is_cancelled());
            }
        });
    }
}

#[test]
fn a_task_and_a_blocking_job_may_close_their_own_multi_thread_loop() {
    guarded(|| {
        let event_loop = multi_thread();
        let (sent, received) = mpsc::channel();
        let itself = event_loop.clone();
        drop(event_loop.spawn(async move {
            sent.send(itself.close_within(Duration::from_secs(50)).map(drop)).unwrap();
        }));
        received.recv().unwrap().unwrap();
        assert!(event_loop.is_closed());

        let event_loop = multi_thread();
        let (sent, received) = mpsc::channel();
        let itself = event_loop.clone();
        drop(event_loop.spawn_blocking(move || sent.send(itself.close()).unwrap()));
        received.recv().unwrap().unwrap();
        assert!(event_loop.is_closed());
    });
}

#[test]
fn dropping_an_open_loop_anywhere_cancels_its_tasks() {
    for outer in [plain_current_thread(), plain_multi_thread()] {
        guarded(move || {
            for event_loop in owned() {
                let task = event_loop.spawn(pending::<()>());
                let cancelled = outer.block_on(async move {
                    drop(event_loop);
                    task.await
                });
                assert!(cancelled.unwrap_err().is_cancelled());
            }
        });
    }
}

#[test]
fn the_last_handle_may_be_dropped_by_a_task_of_the_loop() {
    guarded(|| {
        let event_loop = multi_thread();
        let left = event_loop.spawn(pending::<()>());
        let (give, take) = mpsc::channel::<Arc<dyn EventLoop>>();
        let dropping = event_loop.spawn(async move { drop(take.recv().unwrap()) });
        give.send(event_loop).unwrap();
        let waiting = current_thread();
        // It may be cancelled by its own drop, or end before.
        let _ = waiting.run_until_complete(dropping).unwrap();
        assert!(waiting.run_until_complete(left).unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_thread_local_may_hold_the_last_handle() {
    thread_local! {
        static KEPT: RefCell<Option<Arc<dyn EventLoop>>> = const { RefCell::new(None) };
    }
    for event_loop in owned() {
        let (sent, received) = mpsc::channel();
        let thread = thread::spawn(move || {
            // Touched before tokio's own thread-locals: so it is dropped after them.
            KEPT.with(|kept| kept.borrow_mut().replace(event_loop.clone()));
            drop(event_loop.spawn({
                let event_loop = Arc::downgrade(&event_loop);
                let held = OnDrop(sent, "dropped");
                async move {
                    let _held = held;
                    let deadline = Instant::now() + Duration::from_secs(3600);
                    let timer = event_loop.upgrade().map(|here| here.timer(deadline).unwrap());
                    if let Some(timer) = timer {
                        timer.await;
                    }
                }
            }));
            event_loop.run_until_complete(yield_now()).unwrap();
        });
        thread.join().unwrap();
        assert_eq!(received.recv_timeout(Duration::from_secs(20)), Ok("dropped"));
    }
}

#[test]
fn a_destructor_of_a_thread_local_gets_errors_and_no_panic() {
    struct Uses(RefCell<Option<Arc<dyn EventLoop>>>, RefCell<Option<mpsc::Sender<bool>>>);
    impl Drop for Uses {
        fn drop(&mut self) {
            let event_loop = self.0.take().unwrap();
            let timer = event_loop.timer(Instant::now());
            let run = event_loop.run_until_complete(async {});
            let _task = event_loop.spawn(async {});
            let _local = event_loop.try_spawn_local(async {}).unwrap_err();
            let adopted = policy_tokio::adopt();
            // Whether tokio is gone already depends on the platform.
            let both = timer.is_err() == run.is_err() && adopted.is_none();
            self.1.take().unwrap().send(both).unwrap();
        }
    }
    thread_local! {
        static USES: Uses = const { Uses(RefCell::new(None), RefCell::new(None)) };
    }
    for event_loop in owned() {
        let (sent, received) = mpsc::channel();
        thread::spawn(move || {
            USES.with(|uses| {
                uses.0.replace(Some(event_loop.clone()));
                uses.1.replace(Some(sent));
            });
            event_loop.run_until_complete(yield_now()).unwrap();
        })
        .join()
        .unwrap();
        assert!(received.recv().unwrap());
    }
}

#[test]
fn two_loops_await_each_other() {
    guarded(|| {
        let other = multi_thread();
        let here = current_thread();
        let task = other.spawn({
            let here = here.clone();
            async move { here.spawn(async { 41 }).await.unwrap() + 1 }
        });
        assert_eq!(here.run_until_complete(task).unwrap().unwrap(), 42);
    });
}
