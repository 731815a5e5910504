//! What a policy asks of the threads of its loops.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use futures_lite::future::block_on;
use policy_core::{ErrorKind, EventLoopPolicy, context};
use policy_smol::SmolPolicy;

fn refused(policy: SmolPolicy) -> (ErrorKind, String) {
    let error = policy.new_event_loop().unwrap_err();
    (error.kind(), error.to_string())
}

fn two() -> SmolPolicy {
    SmolPolicy::multi_thread().worker_threads(2)
}

#[test]
fn threads_have_the_name_the_stack_and_the_hooks_that_were_asked_for() {
    let (started, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let policy = two()
        .thread_name("mine")
        .thread_stack_size(16 << 20)
        .on_thread_start({
            let started = started.clone();
            move || {
                let id = context::running().map(|event_loop| event_loop.state().id());
                started.lock().unwrap().push((thread::current().name().map(str::to_owned), id));
            }
        })
        .on_thread_stop({
            let stopped = stopped.clone();
            move || {
                stopped.fetch_add(1, SeqCst);
            }
        });
    let event_loop = policy.new_event_loop().unwrap();
    let deep = event_loop.spawn(async {
        // More than a thread has otherwise.
        let room = [0_u8; 8 << 20];
        (thread::current().name().map(str::to_owned), std::hint::black_box(&room).len())
    });
    assert_eq!(block_on(deep).unwrap(), (Some("mine".to_owned()), 8 << 20));
    // A worker that has not begun when the loop is closed never does.
    while started.lock().unwrap().len() < 2 {
        thread::yield_now();
    }
    event_loop.close().unwrap();
    let expected = (Some("mine".to_owned()), Some(event_loop.state().id()));
    assert_eq!(*started.lock().unwrap(), [expected.clone(), expected]);
    assert_eq!(stopped.load(SeqCst), 2);
}

#[test]
fn options_are_kept_by_those_that_are_set_later() {
    let policy = SmolPolicy::multi_thread().thread_name("mine").worker_threads(1);
    let event_loop = policy.new_event_loop().unwrap();
    let name = event_loop.spawn(async { thread::current().name().map(str::to_owned) });
    assert_eq!(block_on(name).unwrap().as_deref(), Some("mine"));
    event_loop.close().unwrap();
}

#[test]
fn a_hook_that_panics_costs_no_thread() {
    let policy = two().on_thread_start(|| panic!("expected")).on_thread_stop(|| panic!("expected"));
    let event_loop = policy.new_event_loop().unwrap();
    assert_eq!(block_on(event_loop.spawn(async { 1 })).unwrap(), 1);
    event_loop.close().unwrap();
}

#[test]
fn what_can_not_be_had_is_an_error() {
    assert_eq!(refused(two().thread_name("a\0b")).0, ErrorKind::InvalidInput);
    // Half of the address space.
    assert_eq!(refused(two().thread_stack_size(usize::MAX / 2)).0, ErrorKind::Io);
    // As little as the system gives.
    two().thread_stack_size(0).new_event_loop().unwrap().close().unwrap();
    let none = SmolPolicy::current_thread;
    for policy in [
        none().thread_name("mine"),
        none().thread_stack_size(1 << 20),
        none().on_thread_start(|| ()),
        none().on_thread_stop(|| ()),
    ] {
        let (kind, message) = refused(policy);
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert!(message.contains("`SmolPolicy::multi_thread()`"), "{message}");
    }
}
