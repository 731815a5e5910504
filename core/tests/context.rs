//! The stack of running loops.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::thread;

use policy_core::{EventLoop, LoopId, context};

use common::{OnDrop, TinyLoop, at_thread_end};

fn running() -> Option<LoopId> {
    context::with_running(|event_loop| event_loop.state().id())
}

fn ambient() -> Option<LoopId> {
    context::with_ambient(|event_loop| event_loop.state().id())
}

fn id(event_loop: &Arc<dyn EventLoop>) -> Option<LoopId> {
    Some(event_loop.state().id())
}

#[test]
fn outside_any_loop_none_is_running() {
    assert!(context::running().is_none());
    assert_eq!((running(), ambient()), (None, None));
}

#[test]
fn the_innermost_loop_is_the_running_one() {
    let (outer, inner) = (TinyLoop::new(), TinyLoop::new());
    context::scope(&outer, || {
        context::scope(&inner, || assert_eq!((running(), ambient()), (id(&inner), id(&inner))));
        assert_eq!(running(), id(&outer));
    });
    assert_eq!(running(), None);
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let loops = [TinyLoop::new(), TinyLoop::new(), TinyLoop::new()];
    let [first, second, third] = loops.clone().map(context::enter);
    assert_eq!(running(), id(&loops[2]));
    drop(second);
    assert_eq!(running(), id(&loops[2]));
    drop(third);
    assert_eq!(running(), id(&loops[0]));
    let fourth = context::enter(loops[1].clone());
    drop(first);
    assert_eq!(running(), id(&loops[1]));
    drop(fourth);
    assert_eq!(running(), None);
    // None was kept.
    assert!(loops.iter().all(|event_loop| Arc::strong_count(event_loop) == 1));
}

#[test]
fn a_panic_leaves_the_loop() {
    let (outer, inner) = (TinyLoop::new(), TinyLoop::new());
    context::scope(&outer, || {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            context::scope(&inner, || panic!("in the inner loop"));
        }));
        assert!(unwound.is_err());
        assert_eq!(running(), id(&outer));
    });
    assert_eq!(running(), None);
}

#[test]
fn a_loop_may_be_entered_while_the_running_one_is_lent() {
    let (outer, inner) = (TinyLoop::new(), TinyLoop::new());
    context::scope(&outer, || {
        context::with_running(|lent| {
            let guard = context::enter(inner.clone());
            assert_eq!(running(), id(&inner));
            assert_eq!(id(lent), id(&outer));
            drop(guard);
        })
        .unwrap();
    });
}

#[test]
fn a_blocking_job_hides_the_running_loop_and_is_found_as_ambient() {
    let (outer, owner) = (TinyLoop::new(), TinyLoop::new());
    context::scope(&outer, || {
        context::blocking_scope(Arc::downgrade(&owner), || {
            assert_eq!((running(), ambient()), (None, id(&owner)));
            // asyncio's `to_thread` code may call `asyncio.run`, so may ours.
            assert_eq!(TinyLoop::new().run_until_complete(async { 1 }).unwrap(), 1);
        });
        assert_eq!((running(), ambient()), (id(&outer), id(&outer)));
    });
}

#[test]
fn a_worker_does_not_keep_its_loop_open() {
    let event_loop = TinyLoop::new();
    let guard = context::enter_worker(Arc::downgrade(&event_loop));
    assert_eq!(running(), id(&event_loop));
    drop(event_loop);
    assert_eq!((running(), ambient()), (None, None));
    drop(guard);
}

#[test]
fn a_loop_that_was_never_there_is_none() {
    let gone: Weak<dyn EventLoop> = Arc::downgrade(&TinyLoop::new());
    context::blocking_scope(gone, || assert_eq!((running(), ambient()), (None, None)));
}

#[test]
fn dropping_the_last_guard_may_run_code_that_asks_again() {
    let event_loop = TinyLoop::new();
    let (sender, receiver) = channel();
    let guard = OnDrop(move || sender.send(running()).unwrap());
    let _detached = event_loop.spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    let entered = context::enter(event_loop);
    drop(entered);
    assert_eq!(receiver.recv().unwrap(), None);
}

#[test]
#[cfg_attr(
    all(windows, target_env = "gnu"),
    ignore = "std drops thread-locals there in an order of the process, not of the thread"
)]
fn a_thread_that_ends_has_no_running_loop() {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        at_thread_end(move || {
            let event_loop = TinyLoop::new();
            let asked = context::scope(&event_loop, running);
            let guard = context::enter(event_loop.clone());
            sender.send((asked, running(), ambient(), event_loop)).unwrap();
            drop(guard);
        });
        assert_eq!(running(), None); // the stack's first use comes after `at_thread_end`'s
        std::mem::forget(context::enter(TinyLoop::new()));
    })
    .join()
    .unwrap();
    let (asked, running, ambient, event_loop) = receiver.recv().unwrap();
    assert_eq!((asked, running, ambient), (None, None, None));
    assert_eq!(Arc::strong_count(&event_loop), 1);
}

#[test]
fn a_loop_runs_while_its_thread_ends() {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        at_thread_end(move || {
            let event_loop = TinyLoop::new();
            let result = event_loop.run_until_complete(event_loop.spawn(async { 1 }));
            sender.send(result.unwrap().unwrap()).unwrap();
        });
        assert_eq!(running(), None);
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
}
