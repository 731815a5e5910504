//! What is particular to a loop on a shared executor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use policy_async_std::AsyncStdPolicy;
use policy_core::{EventLoopPolicy, LoopKind, context};

const HANG: Duration = Duration::from_secs(30);

#[test]
fn a_loop_is_named_as_it_is_chosen() {
    let event_loop = AsyncStdPolicy::new().new_event_loop().unwrap();
    assert_eq!(event_loop.name(), "async-std");
    assert_eq!(event_loop.kind(), LoopKind::Selector);
    event_loop.close().unwrap();
}

#[test]
fn closing_a_loop_leaves_the_tasks_of_others_alone() {
    let policy = AsyncStdPolicy::default();
    let (first, second) = (policy.new_event_loop().unwrap(), policy.new_event_loop().unwrap());
    let (tell, wait) = mpsc::channel();
    let (release, released) = async_std::channel::bounded::<()>(1);
    drop(second.spawn({
        let (tell, released) = (tell.clone(), released.clone());
        async move {
            let _closed = released.recv().await;
            tell.send("policy's").unwrap();
        }
    }));
    drop(async_std::task::spawn(async move {
        let _closed = released.recv().await;
        tell.send("async-std's").unwrap();
    }));
    let ended = first.spawn(pending::<()>());
    first.close().unwrap();
    assert!(ended.is_finished());
    drop(release);
    let mut told = [wait.recv_timeout(HANG).unwrap(), wait.recv_timeout(HANG).unwrap()];
    told.sort_unstable();
    assert_eq!(told, ["async-std's", "policy's"]);
    second.close().unwrap();
}

#[test]
fn tasks_of_two_loops_find_each_their_own_on_the_threads_that_they_share() {
    let policy = AsyncStdPolicy::new();
    let loops = [policy.new_event_loop().unwrap(), policy.new_event_loop().unwrap()];
    let running = || context::running().map(|event_loop| event_loop.state().id());
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let event_loop = &loops[index % 2];
            let own = event_loop.state().id();
            event_loop.spawn(async move {
                for _ in 0..10 {
                    assert_eq!(running(), Some(own));
                    async_std::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        async_std::task::block_on(task).unwrap();
    }
    assert_eq!(running(), None);
    loops.iter().for_each(|event_loop| event_loop.close().unwrap());
}

#[test]
fn a_task_uses_async_std_itself() {
    let event_loop = AsyncStdPolicy::new().new_event_loop().unwrap();
    let task = event_loop.spawn(async {
        async_std::task::sleep(Duration::from_millis(1)).await;
        async_std::task::spawn(async { 6 * 7 }).await
    });
    assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 42);
    event_loop.close().unwrap();
}

#[test]
fn a_policy_has_one_loop_for_code_outside_any_loop() {
    let policy = AsyncStdPolicy::new();
    let event_loop = policy.background_loop().unwrap().unwrap();
    let again = policy.background_loop().unwrap().unwrap();
    assert_eq!(event_loop.state().id(), again.state().id());
    event_loop.close().unwrap();
}
