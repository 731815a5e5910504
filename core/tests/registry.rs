//! The process-wide slot of the policy: a file, so a process, of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

use policy_core::{EventLoopPolicy, registry};

use common::at_thread_end;

/// There is one slot: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    drop(registry::replace(None));
    alone
}

struct Named;
impl EventLoopPolicy for Named {}

fn named() -> Arc<dyn EventLoopPolicy> {
    // One word, so that each has an address of its own.
    struct Sized(#[allow(dead_code, reason = "only room")] u64);
    impl EventLoopPolicy for Sized {}
    Arc::new(Sized(0))
}

fn never() -> Arc<dyn EventLoopPolicy> {
    panic!("a default was made")
}

#[test]
fn sixteen_threads_that_race_get_one_default() {
    let _alone = alone();
    for _ in 0..50 {
        let made = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(Barrier::new(16));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (made, start) = (made.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    registry::get_or_init(|| {
                        made.fetch_add(1, SeqCst);
                        named()
                    })
                })
            })
            .collect();
        let policies: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(made.load(SeqCst), 1);
        let first = policies.first().unwrap();
        assert!(policies.iter().all(|policy| Arc::ptr_eq(policy, first)));
        drop(registry::replace(None));
    }
}

#[test]
fn a_policy_that_was_replaced_is_gone_for_every_thread() {
    let _alone = alone();
    let (first, second) = (named(), named());
    assert!(registry::replace(Some(first.clone())).is_none());
    assert!(Arc::ptr_eq(&registry::get_or_init(never), &first));
    assert!(Arc::ptr_eq(&registry::replace(Some(second.clone())).unwrap(), &first));
    let elsewhere = thread::spawn(|| registry::get_or_init(never)).join().unwrap();
    assert!(Arc::ptr_eq(&elsewhere, &second));
}

#[test]
fn a_default_that_panics_leaves_the_slot_usable() {
    let _alone = alone();
    assert!(catch_unwind(|| drop(registry::get_or_init(never))).is_err());
    let policy = named();
    assert!(Arc::ptr_eq(&registry::get_or_init(|| policy.clone()), &policy));
}

#[test]
fn a_scoped_policy_is_seen_by_its_thread_alone_and_nests() {
    let _alone = alone();
    let (process, outer, inner) = (named(), named(), named());
    drop(registry::replace(Some(process.clone())));
    let is = |policy: &Arc<dyn EventLoopPolicy>| Arc::ptr_eq(&registry::get_or_init(never), policy);
    registry::scoped(outer.clone(), || {
        registry::scoped(inner.clone(), || assert!(is(&inner)));
        assert!(is(&outer));
        let elsewhere = thread::spawn(|| registry::get_or_init(never)).join().unwrap();
        assert!(Arc::ptr_eq(&elsewhere, &process));
    });
    assert!(is(&process));
    // None is kept.
    assert_eq!((Arc::strong_count(&outer), Arc::strong_count(&inner)), (1, 1));
}

#[test]
fn a_panic_ends_the_scope_of_a_policy() {
    let _alone = alone();
    let process = named();
    drop(registry::replace(Some(process.clone())));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        registry::scoped(Arc::new(Named), || panic!("in the scope"));
    }));
    assert!(unwound.is_err());
    assert!(Arc::ptr_eq(&registry::get_or_init(never), &process));
}

/// Asks for the policy when it goes, as a loop with tasks may.
struct Asks;

impl EventLoopPolicy for Asks {}

impl Drop for Asks {
    fn drop(&mut self) {
        drop(registry::get_or_init(|| Arc::new(Named)));
    }
}

#[test]
fn a_policy_that_goes_may_ask_for_the_next() {
    let _alone = alone();
    drop(registry::replace(Some(Arc::new(Asks))));
    drop(registry::replace(Some(Arc::new(Asks))));
    drop(registry::replace(None));
    registry::scoped(Arc::new(Asks), || ());
}

#[test]
#[cfg_attr(
    all(windows, target_env = "gnu"),
    ignore = "std drops thread-locals there in an order of the process, not of the thread"
)]
fn a_thread_that_ends_finds_the_policy_of_the_process() {
    let _alone = alone();
    let process = named();
    drop(registry::replace(Some(process.clone())));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        at_thread_end(move || {
            let found = registry::scoped(Arc::new(Named), || registry::get_or_init(never));
            sender.send(found).unwrap();
        });
        registry::scoped(Arc::new(Named), || ()); // first used after `at_thread_end`
    })
    .join()
    .unwrap();
    assert!(Arc::ptr_eq(&receiver.recv().unwrap(), &process));
}
