//! What the policy of this crate decides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use policy_core::{ErrorKind, EventLoopPolicy};
use policy_smol::SmolPolicy;

#[test]
fn zero_worker_threads_are_refused_when_a_loop_is_made() {
    let policy = SmolPolicy::multi_thread().worker_threads(0);
    assert_eq!(policy.new_event_loop().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_default_runs_tasks_on_the_thread_that_runs_the_loop() {
    let event_loop = SmolPolicy::default().new_event_loop().unwrap();
    assert_eq!(event_loop.name(), "smol:current_thread");
    event_loop.close().unwrap();
}

#[test]
fn only_a_multi_threaded_policy_has_a_loop_that_runs_by_itself() {
    assert!(SmolPolicy::current_thread().background_loop().unwrap().is_none());
    let policy = SmolPolicy::multi_thread().worker_threads(1);
    let event_loop = policy.background_loop().unwrap().unwrap();
    let again = policy.background_loop().unwrap().unwrap();
    assert_eq!(event_loop.state().id(), again.state().id());
    event_loop.close().unwrap();
}

#[test]
fn a_thread_that_is_not_the_main_one_gets_no_loop_by_itself() {
    // Tests run on threads of their own.
    let policy = SmolPolicy::current_thread();
    assert_eq!(policy.get_event_loop().unwrap_err().kind(), ErrorKind::NoCurrentLoop);
    let event_loop = policy.new_event_loop().unwrap();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    assert_eq!(policy.get_event_loop().unwrap().state().id(), event_loop.state().id());
    event_loop.close().unwrap();
}
