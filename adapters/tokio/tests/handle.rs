//! Loops on runtimes of others: lent by a handle, or found on a thread.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::future::pending;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, context};
use policy_tokio::{TokioPolicy, adopt};
use support::{Gate, OnDrop, current_thread, guarded, multi_thread, owned, plain_current_thread};
use support::{plain_multi_thread, yield_now};
use tokio::runtime::{Handle, Runtime};

fn lent(runtime: &Runtime) -> Arc<dyn EventLoop> {
    TokioPolicy::from_handle(runtime.handle().clone()).new_event_loop().unwrap()
}

fn is_running_here(event_loop: &Arc<dyn EventLoop>) -> bool {
    context::running().is_some_and(|running| Arc::ptr_eq(&running, event_loop))
}

#[test]
fn each_loop_of_a_handle_is_another() {
    let runtime = plain_multi_thread();
    let policy = TokioPolicy::from_handle(runtime.handle().clone());
    let (first, second) = (policy.new_event_loop().unwrap(), policy.new_event_loop().unwrap());
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(first.name(), "tokio:handle");
    assert!(first.is_self_driving());
    assert!(policy.background_loop().unwrap().is_some());
}

#[test]
fn a_task_finds_the_loop_that_it_was_spawned_on() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let (first, second) = (lent(&runtime), lent(&runtime));
        for event_loop in [first, second] {
            let expected = event_loop.clone();
            let task = event_loop.spawn(async move {
                let before = is_running_here(&expected);
                yield_now().await;
                before && is_running_here(&expected)
            });
            let expected = event_loop.clone();
            let both = event_loop.run_until_complete(async move {
                is_running_here(&expected) && task.await.unwrap()
            });
            assert!(both.unwrap());
        }
    });
}

#[test]
fn closing_cancels_the_tasks_of_the_loop_and_no_others() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let (ours, other) = (lent(&runtime), lent(&runtime));
        let (sent, received) = mpsc::channel();
        let held = OnDrop(sent, "dropped");
        let task = ours.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        let release = Gate::default();
        let wait = release.clone();
        let left = other.spawn(async move { wait.wait().await });
        ours.close_within(Duration::from_secs(40)).unwrap();
        assert!(task.is_finished());
        assert_eq!(received.try_recv(), Ok("dropped"));
        assert_eq!(ours.try_spawn(async {}).unwrap_err().kind(), ErrorKind::LoopClosed);
        release.open();
        assert!(other.run_until_complete(left).unwrap().is_ok());
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}

#[test]
fn a_loop_closed_inside_its_runtime_does_not_wait_for_itself() {
    guarded(|| {
        let runtime = plain_current_thread();
        let event_loop = lent(&runtime);
        let task = event_loop.spawn(pending::<()>());
        let began = Instant::now();
        let cancelled = runtime.block_on(async {
            event_loop.close_within(Duration::from_secs(3600)).unwrap();
            task.await
        });
        assert!(cancelled.unwrap_err().is_cancelled());
        assert!(began.elapsed() < Duration::from_secs(1800));
    });
}

#[test]
fn a_loop_closes_by_itself_when_its_runtime_goes() {
    guarded(|| {
        for runtime in [plain_current_thread(), plain_multi_thread()] {
            let event_loop = lent(&runtime);
            let task = event_loop.spawn(pending::<()>());
            assert!(!event_loop.is_closed());
            drop(runtime);
            assert!(event_loop.is_closed());
            assert!(task.is_finished());
            let error = event_loop.run_until_complete(async {}).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LoopClosed);
        }
    });
}

#[test]
fn a_loop_closed_by_the_end_of_its_runtime_in_the_midst_of_a_run_stays_closed() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let event_loop = lent(&runtime);
        event_loop.run_until_complete(async { runtime.shutdown_background() }).unwrap();
        while !event_loop.is_closed() {
            thread::yield_now();
        }
        let runtime = plain_current_thread();
        let event_loop = lent(&runtime);
        event_loop.run_until_complete(async { runtime.shutdown_background() }).unwrap();
        assert!(event_loop.is_closed());
    });
}

#[test]
fn a_lent_loop_inside_a_runtime_is_refused() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let event_loop = lent(&runtime);
        let error = runtime.block_on(async { event_loop.run_until_complete(async {}) });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::OtherLoopRunning);
    });
}

#[test]
fn a_loop_on_a_current_thread_runtime_progresses_while_its_owner_drives() {
    guarded(|| {
        let runtime = plain_current_thread();
        let event_loop = lent(&runtime);
        let task = event_loop.spawn(async { 1 });
        assert_eq!(event_loop.run_until_complete(async { 2 }).unwrap(), 2);
        assert!(!task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), 1);
    });
}

#[test]
fn a_dropped_loop_leaves_nothing_in_the_runtime() {
    guarded(|| {
        let runtime = plain_current_thread();
        for _ in 0..10 {
            let event_loop = lent(&runtime);
            event_loop.close().unwrap();
        }
        drop(lent(&runtime));
        runtime.block_on(async { tokio::task::yield_now().await });
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    });
}

#[test]
fn nothing_is_adopted_where_no_runtime_is() {
    assert!(adopt().is_none());
    let runtime = plain_current_thread();
    runtime.block_on(async { assert!(adopt().is_some()) });
    assert!(adopt().is_none());
}

#[test]
fn a_runtime_is_adopted_as_one_loop_for_all_threads_and_ever() {
    guarded(|| {
        for runtime in [plain_current_thread(), plain_multi_thread()] {
            let first = runtime.block_on(async { adopt().unwrap().state().id() });
            let again = runtime.block_on(async {
                let task = tokio::spawn(async { adopt().unwrap().state().id() });
                let job = tokio::task::spawn_blocking(|| adopt().unwrap().state().id());
                let ambient = adopt().unwrap().spawn(async { adopt().unwrap().state().id() });
                [task.await.unwrap(), job.await.unwrap(), ambient.await.unwrap()]
            });
            assert_eq!(again, [first; 3]);
        }
    });
}

#[test]
fn two_runtimes_in_turn_on_one_thread_are_two_loops() {
    let (first, second) = (plain_current_thread(), plain_current_thread());
    let id = |runtime: &Runtime| runtime.block_on(async { adopt().unwrap().state().id() });
    let (a, b) = (id(&first), id(&second));
    assert_ne!(a, b);
    assert_eq!((a, b), (id(&first), id(&second)));
}

#[test]
fn an_adopted_loop_works_like_any_other() {
    guarded(|| {
        let event_loop = plain_multi_thread().block_on(async {
            let event_loop = adopt().unwrap();
            assert_eq!(event_loop.name(), "tokio:handle");
            assert!(event_loop.is_running());
            assert_eq!(event_loop.spawn(async { 1 }).await.unwrap(), 1);
            assert_eq!(event_loop.spawn_blocking(|| 2).await.unwrap(), 2);
            event_loop.timer(Instant::now() + Duration::from_millis(1)).unwrap().await;
            event_loop
        });
        // The runtime went at the end of the statement.
        assert!(event_loop.is_closed());
    });
}

#[test]
fn an_adopted_loop_can_be_neither_run_nor_closed_nor_have_local_tasks() {
    guarded(|| {
        let runtime = plain_multi_thread();
        let event_loop = runtime.block_on(async { adopt().unwrap() });
        let error = event_loop.run_until_complete(async {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
        assert_eq!(event_loop.close().unwrap_err().kind(), ErrorKind::CloseWhileRunning);
        let error = runtime.block_on(async { event_loop.try_spawn_local(async {}).unwrap_err() });
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(runtime.block_on(event_loop.spawn(async { 1 })).unwrap(), 1);
    });
}

#[test]
fn an_adopted_loop_goes_with_its_runtime() {
    guarded(|| {
        for runtime in [plain_current_thread(), plain_multi_thread()] {
            let event_loop = runtime.block_on(async { adopt().unwrap() });
            let known = Arc::downgrade(&event_loop);
            drop(event_loop);
            assert!(known.upgrade().is_some(), "the runtime keeps it");
            drop(runtime);
            assert!(known.upgrade().is_none(), "nobody else does");
        }
    });
}

#[test]
fn a_runtime_that_has_gone_is_not_adopted() {
    guarded(|| {
        let runtime = plain_current_thread();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        assert!(adopt().is_none());
        assert!(adopt().is_none());
    });
}

#[test]
fn our_own_runtime_is_adopted_as_the_loop_that_owns_it() {
    for event_loop in owned() {
        guarded(move || {
            let found = event_loop
                .run_until_complete(async {
                    let here = adopt();
                    let task = tokio::spawn(async { adopt() }).await.unwrap();
                    let job = tokio::task::spawn_blocking(adopt).await.unwrap();
                    [here, task, job]
                })
                .unwrap();
            for found in found {
                assert!(Arc::ptr_eq(&found.unwrap(), &event_loop));
            }
            event_loop.close().unwrap();
            assert!(adopt().is_none());
        });
    }
}

#[test]
fn a_worker_that_adopted_its_loop_does_not_keep_it() {
    guarded(|| {
        for event_loop in [current_thread(), multi_thread()] {
            let asked = event_loop.spawn(async { adopt().is_some() });
            assert!(event_loop.run_until_complete(asked).unwrap().unwrap());
            let known = Arc::downgrade(&event_loop);
            event_loop.close().unwrap();
            drop(event_loop);
            assert!(known.upgrade().is_none());
        }
    });
}

#[test]
fn the_handle_of_our_own_runtime_can_be_lent_to_another_loop() {
    guarded(|| {
        let owner = multi_thread();
        let handle = owner.run_until_complete(async { Handle::current() }).unwrap();
        let borrower = TokioPolicy::from_handle(handle).new_event_loop().unwrap();
        let expected = borrower.clone();
        let task = borrower.spawn(async move { is_running_here(&expected) });
        assert!(owner.run_until_complete(task).unwrap().unwrap());
        owner.close_within(Duration::from_secs(40)).unwrap();
        assert!(borrower.is_closed());
    });
}
