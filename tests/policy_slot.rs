//! The slot of the policy: one for the process. Each test here holds it alone.

#![cfg(feature = "default-loop")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

use policy::{
    ContextPolicy, DefaultEventLoopPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy,
    get_event_loop_policy, set_event_loop_policy, with_event_loop_policy,
};

fn alone() -> MutexGuard<'static, ()> {
    static SLOT: Mutex<()> = Mutex::new(());
    let guard = SLOT.lock().unwrap_or_else(PoisonError::into_inner);
    set_event_loop_policy(None);
    guard
}

fn same(one: &Arc<dyn EventLoopPolicy>, other: &Arc<dyn EventLoopPolicy>) -> bool {
    Arc::ptr_eq(one, other)
}

/// A policy that can be told apart, and says when it is dropped.
struct Marked(Arc<AtomicBool>);

impl EventLoopPolicy for Marked {}

impl Drop for Marked {
    fn drop(&mut self) {
        // User code that comes back while the slot changes must not find it locked.
        drop(get_event_loop_policy());
        self.0.store(true, SeqCst);
    }
}

// B1, B2
#[test]
fn sixteen_threads_that_ask_first_get_one_default_policy() {
    let _alone = alone();
    let barrier = Barrier::new(16);
    let found: Vec<_> = thread::scope(|scope| {
        let asks = || {
            barrier.wait();
            get_event_loop_policy()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(asks)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let kept = get_event_loop_policy();
    assert_eq!(found.len(), 16);
    assert!(found.iter().all(|policy| same(policy, &kept)));
}

// B3
#[test]
fn a_policy_that_is_set_is_seen_in_all_threads() {
    let _alone = alone();
    let policy: Arc<dyn EventLoopPolicy> = Arc::new(DefaultEventLoopPolicy::new());
    thread::scope(|scope| {
        scope.spawn(|| set_event_loop_policy(policy.clone()));
    });
    assert!(same(&get_event_loop_policy(), &policy));
    thread::scope(|scope| {
        scope.spawn(|| assert!(same(&get_event_loop_policy(), &policy)));
    });
}

// B3: CPython may lose a set that races with the first get.
#[test]
fn a_set_that_races_with_the_first_get_is_not_lost() {
    let _alone = alone();
    for _ in 0..200 {
        set_event_loop_policy(None);
        let policy: Arc<dyn EventLoopPolicy> = Arc::new(DefaultEventLoopPolicy::new());
        thread::scope(|scope| {
            scope.spawn(|| drop(get_event_loop_policy()));
            scope.spawn(|| set_event_loop_policy(policy.clone()));
        });
        assert!(same(&get_event_loop_policy(), &policy));
    }
}

// B6
#[test]
fn none_restores_the_default_newly_made() {
    let _alone = alone();
    let first = get_event_loop_policy();
    set_event_loop_policy(DefaultEventLoopPolicy::new());
    set_event_loop_policy(None);
    let second = get_event_loop_policy();
    assert!(!same(&first, &second));
    set_event_loop_policy(None);
    assert!(!same(&second, &get_event_loop_policy()));
}

// B4: what can be set
#[test]
fn a_policy_a_shared_policy_and_an_option_can_be_set() {
    let _alone = alone();
    let shared: Arc<dyn EventLoopPolicy> = Arc::new(DefaultEventLoopPolicy::new());
    set_event_loop_policy(shared.clone());
    assert!(same(&get_event_loop_policy(), &shared));
    let other: Arc<dyn EventLoopPolicy> = Arc::new(DefaultEventLoopPolicy::new());
    set_event_loop_policy(Some(other.clone()));
    assert!(same(&get_event_loop_policy(), &other));
    set_event_loop_policy(ContextPolicy::new(
        || -> Result<Arc<dyn EventLoop>, Error> { Err(ErrorKind::NotImplemented.into()) },
        || 1_u64,
    ));
    assert_eq!(policy::new_event_loop().unwrap_err().kind(), ErrorKind::NotImplemented);
    set_event_loop_policy(None);
}

// B7
#[test]
fn a_policy_that_was_replaced_goes_and_forgets_its_contexts() {
    let _alone = alone();
    let gone = Arc::new(AtomicBool::new(false));
    set_event_loop_policy(Marked(gone.clone()));
    assert!(!gone.load(SeqCst));
    set_event_loop_policy(None);
    assert!(gone.load(SeqCst), "the slot still holds the former policy");

    let event_loop = policy::new_event_loop().unwrap();
    policy::set_event_loop(Some(event_loop.clone())).unwrap();
    let held = Arc::downgrade(&event_loop);
    set_event_loop_policy(None);
    assert_eq!(policy::get_event_loop().unwrap_err().kind(), ErrorKind::NoCurrentLoop);
    assert!(!event_loop.is_closed(), "it was forgotten, not closed");
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    event_loop.close().unwrap();
    drop(event_loop);
    assert!(held.upgrade().is_none());
}

// B8
#[test]
fn a_policy_that_overrides_nothing_implements_nothing() {
    struct Nothing;
    impl EventLoopPolicy for Nothing {}
    let kinds = [
        Nothing.get_event_loop().err(),
        Nothing.new_event_loop().err(),
        Nothing.set_event_loop(None).err(),
        Nothing.get_child_watcher().err(),
        Nothing.set_child_watcher(None).err(),
    ];
    for error in kinds {
        assert_eq!(error.unwrap().kind(), ErrorKind::NotImplemented);
    }
    assert!(Nothing.background_loop().unwrap().is_none());
    with_event_loop_policy(Nothing, || {
        assert_eq!(policy::try_run(async {}).unwrap_err().kind(), ErrorKind::NotImplemented);
        assert_eq!(policy::try_spawn(async {}).unwrap_err().kind(), ErrorKind::NoRunningLoop);
    });
}

// B15
#[test]
fn a_policy_set_while_a_loop_runs_counts_from_the_next_loop_on() {
    let _alone = alone();
    policy::run(async {
        let running = policy::get_running_loop().unwrap();
        set_event_loop_policy(DefaultEventLoopPolicy::new());
        assert!(Arc::ptr_eq(&running, &policy::get_event_loop().unwrap()));
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
    assert_eq!(policy::run(async { 2 }), 2);
}

#[test]
fn a_scoped_policy_is_seen_on_its_thread_only_and_while_it_lasts() {
    let _alone = alone();
    let process = get_event_loop_policy();
    let (outer, inner): (Arc<dyn EventLoopPolicy>, Arc<dyn EventLoopPolicy>) =
        (Arc::new(DefaultEventLoopPolicy::new()), Arc::new(DefaultEventLoopPolicy::new()));
    let result = with_event_loop_policy(outer.clone(), || {
        assert!(same(&get_event_loop_policy(), &outer));
        with_event_loop_policy(inner.clone(), || assert!(same(&get_event_loop_policy(), &inner)));
        assert!(same(&get_event_loop_policy(), &outer));
        thread::scope(|scope| {
            scope.spawn(|| assert!(same(&get_event_loop_policy(), &process)));
        });
        with_event_loop_policy(None, || {
            assert!(![&outer, &inner, &process].iter().any(|p| same(p, &get_event_loop_policy())));
        });
        "a result"
    });
    assert_eq!(result, "a result");
    assert!(same(&get_event_loop_policy(), &process));
}

#[test]
fn a_scoped_policy_ends_with_a_panic_too() {
    let _alone = alone();
    let process = get_event_loop_policy();
    let gone = Arc::new(AtomicBool::new(false));
    let marked = Marked(gone.clone());
    let caught = catch_unwind(AssertUnwindSafe(|| {
        with_event_loop_policy(marked, || {
            with_event_loop_policy(DefaultEventLoopPolicy::new(), || panic!("inside two"));
        });
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "inside two");
    assert!(gone.load(SeqCst));
    assert!(same(&get_event_loop_policy(), &process));
}

#[test]
fn a_policy_set_inside_a_scope_is_of_the_process_and_seen_after_it() {
    let _alone = alone();
    let process: Arc<dyn EventLoopPolicy> = Arc::new(DefaultEventLoopPolicy::new());
    with_event_loop_policy(DefaultEventLoopPolicy::new(), || {
        set_event_loop_policy(process.clone());
        assert!(!same(&get_event_loop_policy(), &process), "the scope still hides it");
    });
    assert!(same(&get_event_loop_policy(), &process));
}

// 100,000 threads is the acceptance test's; a thousand show the same leak.
#[test]
fn short_threads_leave_nothing_behind() {
    let policy = ContextPolicy::new(
        || DefaultEventLoopPolicy::new().new_event_loop(),
        policy::context::Context::thread(),
    );
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            let event_loop = policy.new_event_loop().unwrap();
                            policy.set_event_loop(Some(event_loop.clone())).unwrap();
                            event_loop.close().unwrap();
                        });
                    });
                }
            });
        }
    });
    // A scope waits for its closures, not for the thread-locals of their threads.
    while policy.contexts() > 0 {
        thread::yield_now();
    }
}
