//! Which loop a context has, and which runs here.

use std::sync::Arc;
use std::thread;

use policy::context::{Context, ContextKey};
use policy::{
    ContextPolicy, ErrorKind, EventLoop, EventLoopPolicy, get_event_loop, get_running_loop,
    set_event_loop, with_event_loop_policy,
};

use crate::support::{block_on, driven, in_thread, kind, new_loop, on_loop, run};
use crate::{Make, Skipped};

/// The loop that is set is the one that is got, in this thread only.
///
/// Proves: B31
pub fn each_thread_has_a_loop_of_its_own(make: Make<'_>) {
    let policy = make();
    on_loop(make, |here| {
        policy.set_event_loop(Some(here.clone())).unwrap();
        in_thread(|| {
            assert_eq!(kind(policy.get_event_loop()), ErrorKind::NoCurrentLoop);
            on_loop(make, |there| {
                policy.set_event_loop(Some(there.clone())).unwrap();
                assert!(Arc::ptr_eq(&policy.get_event_loop().unwrap(), there));
            });
        });
        assert!(Arc::ptr_eq(&policy.get_event_loop().unwrap(), here));
    });
}

/// A thread without a loop gets the error that names it; none is made there.
///
/// Proves: B30
pub fn a_thread_without_a_loop_gets_an_error_that_names_it(make: Make<'_>) {
    let policy = make();
    let ask = move || policy.get_event_loop().unwrap_err();
    let error = thread::Builder::new().name("worker-7".into()).spawn(ask).unwrap().join().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoCurrentLoop);
    assert!(error.to_string().contains("worker-7"), "{error}");
    assert!(error.to_string().contains("policy::set_event_loop"), "{error}");
}

/// A context that was cleared has no loop, and none is made by itself.
///
/// Proves: B32
pub fn a_context_that_was_cleared_stays_without_a_loop(make: Make<'_>) {
    let policy = make();
    let event_loop = policy.new_event_loop().unwrap();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    policy.set_event_loop(None).unwrap();
    assert_eq!(kind(policy.get_event_loop()), ErrorKind::NoCurrentLoop);
    assert!(!event_loop.is_closed(), "it was forgotten, not closed");
    event_loop.close().unwrap();
}

/// A closed loop can't be set, and nothing has changed then.
///
/// Proves: B25, B34
pub fn a_closed_loop_is_not_set_and_nothing_changes(make: Make<'_>) {
    let policy = make();
    let closed = new_loop(make);
    closed.close().unwrap();
    assert_eq!(kind(policy.set_event_loop(Some(closed.clone()))), ErrorKind::LoopClosed);
    assert_eq!(kind(policy.get_event_loop()), ErrorKind::NoCurrentLoop);
    on_loop(make, |event_loop| {
        policy.set_event_loop(Some(event_loop.clone())).unwrap();
        assert_eq!(kind(policy.set_event_loop(Some(closed.clone()))), ErrorKind::LoopClosed);
        assert!(Arc::ptr_eq(&policy.get_event_loop().unwrap(), event_loop));
    });
}

/// A loop that was closed after it was set is still the one of its context.
///
/// Proves: B35
pub fn a_loop_closed_after_it_was_set_stays_set(make: Make<'_>) {
    let policy = make();
    let event_loop = policy.new_event_loop().unwrap();
    policy.set_event_loop(Some(event_loop.clone())).unwrap();
    event_loop.close().unwrap();
    let found = policy.get_event_loop().unwrap();
    assert!(Arc::ptr_eq(&found, &event_loop));
    assert_eq!(kind(found.run_until_complete(async {})), ErrorKind::LoopClosed);
}

/// Setting another loop while one runs changes nothing until the run ends.
///
/// Proves: B40
pub fn a_loop_set_while_another_runs_counts_after_the_run(make: Make<'_>) {
    with_event_loop_policy(make(), || {
        on_loop(make, |other| {
            on_loop(make, |event_loop| {
                event_loop
                    .run_until_complete(async {
                        set_event_loop(Some(other.clone())).unwrap();
                        assert!(Arc::ptr_eq(&get_event_loop().unwrap(), event_loop));
                    })
                    .unwrap();
            });
            assert!(Arc::ptr_eq(&get_event_loop().unwrap(), other));
        });
    });
}

/// Main future, tasks and local tasks all see the loop that runs them.
///
/// Proves: B37, B39
pub fn whatever_the_loop_runs_sees_it_as_the_running_one(make: Make<'_>) -> Result<(), Skipped> {
    assert_eq!(kind(get_running_loop()), ErrorKind::NoRunningLoop);
    on_loop(make, |event_loop| {
        let expected = event_loop.clone();
        let sees = move || Arc::ptr_eq(&get_running_loop().unwrap(), &expected);
        event_loop
            .run_until_complete(async {
                assert!(sees());
                assert!(policy::spawn(async move { sees() }).await.unwrap());
                assert!(Arc::ptr_eq(&get_event_loop().unwrap(), event_loop));
            })
            .unwrap();
    });
    assert_eq!(kind(get_running_loop()), ErrorKind::NoRunningLoop);
    crate::support::needs_local_tasks(make)?;
    run(make, async {
        let expected = get_running_loop().unwrap();
        let local =
            policy::spawn_local(
                async move { Arc::ptr_eq(&get_running_loop().unwrap(), &expected) },
            );
        assert!(local.await.unwrap());
    });
    Ok(())
}

/// Each task of a loop sees it after each `.await`, whichever thread it is on.
///
/// Proves: B39, 'the running loop is known while it polls'
pub fn a_task_sees_its_loop_on_every_thread(make: Make<'_>) {
    run(make, async {
        let id = get_running_loop().unwrap().state().id();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                policy::spawn(async move {
                    for _ in 0..50 {
                        assert_eq!(get_running_loop().unwrap().state().id(), id);
                        policy::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// A loop that runs in one thread is not the running one of another.
///
/// Proves: B38
pub fn another_thread_sees_no_running_loop(make: Make<'_>) {
    run(make, async {
        in_thread(|| assert_eq!(kind(get_running_loop()), ErrorKind::NoRunningLoop));
        assert!(get_running_loop().is_ok());
    });
}

/// When a thread ends, its policies let go of its loop.
///
/// Proves: B45
pub fn a_thread_that_ends_lets_go_of_its_loop(make: Make<'_>) {
    let policy = make();
    let weak = in_thread(|| {
        let event_loop = policy.new_event_loop().unwrap();
        policy.set_event_loop(Some(event_loop.clone())).unwrap();
        Arc::downgrade(&event_loop)
    });
    assert!(weak.upgrade().is_none(), "the loop of a thread that has ended is still held");
}

/// A policy per process has one loop for all threads; one by key has one per key.
///
/// Proves: 'a policy says what a context is'
pub fn contexts_may_be_processes_or_keys(make: Make<'_>) {
    thread_local!(static TENANT: std::cell::Cell<u64> = const { std::cell::Cell::new(1) });

    let loops = make();
    let process = ContextPolicy::new(move || loops.new_event_loop(), Context::process());
    let event_loop = process.get_event_loop().unwrap();
    in_thread(|| assert!(Arc::ptr_eq(&process.get_event_loop().unwrap(), &event_loop)));
    event_loop.close().unwrap();

    let loops = make();
    let keyed = ContextPolicy::new(move || loops.new_event_loop(), || TENANT.get());
    let first = keyed.get_event_loop().unwrap();
    TENANT.set(2);
    let second = keyed.get_event_loop().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    in_thread(|| assert!(Arc::ptr_eq(&keyed.get_event_loop().unwrap(), &first), "key 1 there too"));
    assert_eq!(keyed.contexts(), 2);
    first.close().unwrap();
    second.close().unwrap();
}

/// A policy by task has one loop per task, and lets it go when the task ends.
///
/// Proves: 'a policy says what a context is'
pub fn contexts_may_be_tasks(make: Make<'_>) {
    let loops = make();
    let policy = Arc::new(ContextPolicy::new(move || loops.new_event_loop(), Context::task()));
    run(make, async {
        let asks = |policy: Arc<ContextPolicy>| async move {
            let mine = policy.get_event_loop().unwrap();
            policy::task::yield_now().await;
            assert!(Arc::ptr_eq(&mine, &policy.get_event_loop().unwrap()));
            (mine.state().id(), Arc::downgrade(&mine))
        };
        let (first, held) = policy::spawn(asks(policy.clone())).await.unwrap();
        assert!(held.upgrade().is_none(), "the loop of a task that has ended is still held");
        let (second, _) = policy::spawn(asks(policy.clone())).await.unwrap();
        assert_ne!(first, second);
        assert_eq!(policy.contexts(), 0);
    });
}

/// A key that is an `Arc` names its context while the `Arc` lives.
///
/// Proves: 'a policy says what a context is'
pub fn a_context_named_by_an_arc_goes_with_it(make: Make<'_>) {
    let loops = make();
    let tenant = Arc::new(());
    let named = tenant.clone();
    let held = std::sync::Mutex::new(Some(named));
    let policy = ContextPolicy::new(
        move || loops.new_event_loop(),
        move || match &*held.lock().unwrap() {
            Some(tenant) => ContextKey::from(tenant.clone()),
            None => ContextKey::from("nobody"),
        },
    );
    let event_loop = policy.get_event_loop().unwrap();
    assert!(Arc::ptr_eq(&event_loop, &policy.get_event_loop().unwrap()));
    assert_eq!(policy.contexts(), 1);
    event_loop.close().unwrap();
    drop(tenant);
}

/// Under somebody else's executor, `within` makes a loop the running one: what is
/// spawned there belongs to it.
///
/// Proves: the documentation of `within`, B41
pub fn within_makes_a_loop_the_running_one(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let inside = policy::within(event_loop.clone(), async {
            let running = get_running_loop().unwrap();
            assert!(Arc::ptr_eq(&running, event_loop));
            policy::spawn(async { get_running_loop().unwrap().state().id() }).await.unwrap()
        });
        let id = driven(event_loop, || block_on(inside));
        assert_eq!(id, event_loop.state().id());
        assert!(get_running_loop().is_err(), "left again");
    });
}

/// `within` inside another loop hides that one, for its future only.
///
/// Proves: the documentation of `within`, B41
pub fn within_hides_the_loop_around_it(make: Make<'_>) {
    on_loop(make, |inner| {
        run(make, async {
            let outer = get_running_loop().unwrap();
            let both = policy::within(inner.clone(), async {
                policy::task::yield_now().await;
                Arc::ptr_eq(&get_running_loop().unwrap(), inner)
            });
            assert!(both.await);
            assert!(Arc::ptr_eq(&get_running_loop().unwrap(), &outer));
        });
    });
}

/// A future that panics within a loop leaves it.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_panic_within_a_loop_leaves_it(make: Make<'_>) {
    on_loop(make, |event_loop: &Arc<dyn EventLoop>| {
        let panics = policy::within(event_loop.clone(), async { panic!("within") });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(panics)));
        let _: Box<dyn std::any::Any + Send> = caught.map(|(): ()| ()).unwrap_err();
        assert!(get_running_loop().is_err());
    });
}
