//! Debug mode: the same loop, under observation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use policy::ErrorKind;
use policy::task::yield_now;

use crate::support::{
    Flag, Gate, driven, in_thread, is_cancelled, kind, needs_local_tasks, on_loop, run,
};
use crate::{Make, Skipped};

/// Debug mode is off unless it is turned on; what is slow is what takes a tenth of a
/// second, unless it is set.
///
/// Proves: B62, B97
pub fn debug_mode_is_off_until_it_is_turned_on(make: Make<'_>) {
    if std::env::var_os("EVENT_LOOP_DEBUG").is_some() {
        return;
    }
    on_loop(make, |event_loop| {
        assert!(!event_loop.get_debug());
        event_loop.set_debug(true);
        assert!(event_loop.get_debug());
        event_loop.set_debug(false);
        assert!(!event_loop.get_debug());
        assert_eq!(event_loop.slow_callback_duration(), Duration::from_millis(100));
        event_loop.set_slow_callback_duration(Duration::from_secs(1));
        assert_eq!(event_loop.slow_callback_duration(), Duration::from_secs(1));
        event_loop.set_slow_callback_duration(Duration::MAX);
        assert!(event_loop.slow_callback_duration() > Duration::from_secs(1 << 30));
    });
}

/// In debug mode tasks keep their contract: values, ids, aborts, panics, detaching.
///
/// Proves: the contract of tasks, B97
pub fn tasks_are_the_same_in_debug_mode(make: Make<'_>) {
    on_loop(make, |event_loop| {
        event_loop.set_debug(true);
        event_loop
            .run_until_complete(async {
                let task = policy::spawn(async {
                    yield_now().await;
                    policy::task::try_id()
                });
                let id = task.id();
                assert_eq!(task.await.unwrap(), Some(id));
                let dropped = Flag::default();
                let held = dropped.on_drop();
                let aborted = policy::spawn(async move {
                    let _held = held;
                    std::future::pending::<()>().await;
                });
                yield_now().await;
                aborted.abort();
                assert!(aborted.await.unwrap_err().is_cancelled());
                assert!(dropped.is_set());
                let panics = policy::spawn(async { panic!("bad luck") });
                assert!(panics.await.unwrap_err().is_panic());
                let gate = Gate::default();
                let opener = gate.clone();
                drop(policy::spawn(async move {
                    yield_now().await;
                    opener.open();
                }));
                gate.wait().await;
            })
            .unwrap();
        let left = event_loop.spawn(std::future::pending::<()>());
        event_loop.run_until_complete(yield_now()).unwrap();
        event_loop.close().unwrap();
        assert!(is_cancelled(left));
    });
}

/// So do local tasks.
///
/// Proves: the contract of tasks, B97
pub fn local_tasks_are_the_same_in_debug_mode(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        policy::get_running_loop().unwrap().set_debug(true);
        let shared = std::rc::Rc::new(1);
        let task = policy::spawn_local(async move {
            yield_now().await;
            *shared
        });
        assert_eq!(task.await.unwrap(), 1);
        let aborted = policy::spawn_local(std::future::pending::<()>());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
    });
    Ok(())
}

/// In debug mode a call that belongs on the loop's thread is found elsewhere, if the
/// loop runs on one thread; `call_soon_threadsafe` is allowed everywhere. The plain
/// calls are served all the same.
///
/// Proves: B90
pub fn a_call_from_the_wrong_thread_is_found(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let called = Arc::new(AtomicUsize::new(0));
        let count = || {
            let called = called.clone();
            move || {
                called.fetch_add(1, SeqCst);
            }
        };
        event_loop.set_debug(true);
        // Nobody runs it: any thread may.
        in_thread(|| event_loop.try_call_soon(count()).map(drop)).unwrap();
        driven(event_loop, || {
            if event_loop.is_self_driving() {
                event_loop.try_call_soon(count()).unwrap();
            } else {
                let wrong = ErrorKind::WrongThread;
                assert_eq!(kind(event_loop.try_call_soon(count())), wrong);
                assert_eq!(kind(event_loop.try_call_later(Duration::ZERO, count())), wrong);
                assert_eq!(kind(event_loop.try_call_at(event_loop.time(), count())), wrong);
                event_loop.call_soon(count());
            }
            event_loop.try_call_soon_threadsafe(count()).unwrap();
            let gate = Gate::default();
            let (opener, inner) = (gate.clone(), event_loop.clone());
            event_loop.call_soon_threadsafe(move || {
                inner.try_call_soon(move || opener.open()).unwrap();
            });
            gate.wait_blocking();
        });
        assert_eq!(called.load(SeqCst), 3);
        event_loop.set_debug(false);
        driven(event_loop, || event_loop.try_call_soon(count()).map(drop)).unwrap();
    });
}
