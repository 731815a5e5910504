//! What sets the two loops of this crate apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "../../async-io/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use common::{HANG, without_hang};
use futures_lite::future;
use policy_core::{EventLoop, EventLoopPolicy, LoopKind};
use policy_smol::SmolPolicy;

fn current_thread() -> Arc<dyn EventLoop> {
    SmolPolicy::current_thread().new_event_loop().unwrap()
}

fn multi_thread() -> Arc<dyn EventLoop> {
    SmolPolicy::multi_thread().worker_threads(2).new_event_loop().unwrap()
}

#[test]
fn a_task_waits_until_somebody_drives_a_loop_without_threads() {
    without_hang(|| {
        let event_loop = current_thread();
        assert!(!event_loop.is_self_driving());
        let polled = Arc::new(AtomicUsize::new(0));
        let handle = event_loop.spawn({
            let polled = polled.clone();
            async move { polled.fetch_add(1, Ordering::SeqCst) }
        });
        // Another loop that runs on this thread does not run it either.
        let other = current_thread();
        other.run_until_complete(future::yield_now()).unwrap();
        assert_eq!(polled.load(Ordering::SeqCst), 0);
        event_loop.run_until_complete(handle).unwrap().unwrap();
        assert_eq!(polled.load(Ordering::SeqCst), 1);
        other.close().unwrap();
        event_loop.close().unwrap();
    });
}

#[test]
fn the_threads_of_a_multi_threaded_loop_have_names() {
    let event_loop = multi_thread();
    let (tell, wait) = mpsc::channel();
    drop(event_loop.spawn(async move {
        tell.send(thread::current().name().map(str::to_owned)).unwrap();
    }));
    let name = wait.recv_timeout(HANG).unwrap().unwrap();
    assert!(name.starts_with("policy-smol-"), "{name}");
    event_loop.close().unwrap();
}

/// Whoever drove the loop used to be one more of its workers, and was notified of tasks in
/// place of one that had time: they waited until the main future was done.
#[test]
fn a_main_future_that_computes_keeps_no_task_waiting() {
    without_hang(|| {
        let event_loop = multi_thread();
        let spawner = event_loop.clone();
        let computes = async move {
            for _ in 0..200 {
                let (tell, wait) = mpsc::channel();
                drop(spawner.spawn(async move { tell.send(thread::current().id()) }));
                let polled_on = wait.recv_timeout(HANG).unwrap();
                assert_ne!(polled_on, thread::current().id());
            }
        };
        event_loop.run_until_complete(computes).unwrap();
        event_loop.close().unwrap();
    });
}

#[test]
fn loops_are_named_as_they_are_chosen() {
    let name = |event_loop: Arc<dyn EventLoop>| {
        assert_eq!(event_loop.kind(), LoopKind::Selector);
        let name = event_loop.name().to_owned();
        event_loop.close().unwrap();
        name
    };
    assert_eq!(name(current_thread()), "smol:current_thread");
    assert_eq!(name(multi_thread()), "smol:multi_thread");
}
