//! Callbacks: `call_soon`, `call_later`, `call_at`, and their handles.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use policy::{ErrorKind, EventLoop, get_running_loop};

use crate::Make;
use crate::support::{Flag, Gate, Log, NEVER, driven, in_thread, kind, new_loop, on_loop, run};

/// Runs the loop until a callback that was given now has run.
fn turn(event_loop: &Arc<dyn EventLoop>) {
    let gate = Gate::default();
    let opener = gate.clone();
    event_loop.call_soon(move || opener.open());
    event_loop.run_until_complete(gate.wait()).unwrap();
}

fn logs<W: Into<String>>(log: &Log, what: W) -> impl FnOnce() + Send + use<W> {
    let (log, what) = (log.clone(), what.into());
    move || log.add(what)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Callbacks are called once each, in the order in which they were given.
///
/// Proves: B82, B89
pub fn callbacks_are_called_in_order(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        for n in 0..100 {
            match n % 2 {
                0 => event_loop.call_soon(logs(&log, n.to_string())),
                _ => event_loop.call_soon_threadsafe(logs(&log, n.to_string())),
            };
        }
        turn(event_loop);
        assert_eq!(log.take(), numbers(0..100));
        turn(event_loop);
        assert_eq!(log.take().len(), 0);
    });
}

/// On a loop that does not drive itself, callbacks wait until somebody drives it.
///
/// Proves: B89
pub fn callbacks_wait_for_a_run(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        event_loop.call_soon(logs(&log, "called"));
        if event_loop.is_self_driving() {
            // It calls it by itself.
            let gate = Gate::default();
            let opener = gate.clone();
            event_loop.call_soon(move || opener.open());
            gate.wait_blocking();
        } else {
            assert_eq!(log.take().len(), 0);
            event_loop.run_until_complete(async {}).unwrap();
        }
        assert_eq!(log.take(), ["called"]);
    });
}

/// What a callback adds is called in the next batch.
///
/// Proves: B82
pub fn what_a_callback_adds_comes_in_the_next_batch(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        let gate = Gate::default();
        let (outer, all, opener) = (event_loop.clone(), log.clone(), gate.clone());
        // Inside a callback, so that the two are of one batch on every loop.
        event_loop.call_soon(move || {
            let (inner, later) = (outer.clone(), all.clone());
            outer.call_soon(move || {
                later.add("0");
                inner.call_soon(logs(&later, "2"));
                inner.call_soon(move || opener.open());
            });
            outer.call_soon(logs(&all, "1"));
        });
        event_loop.run_until_complete(gate.wait()).unwrap();
        assert_eq!(log.take(), ["0", "1", "2"]);
    });
}

/// A stop lets the batch end; what callbacks add meanwhile waits for the next run.
///
/// Proves: B80, B81
pub fn a_stop_lets_the_batch_end(make: Make<'_>) {
    on_loop(make, |event_loop| {
        if event_loop.is_self_driving() {
            // It may have begun before the run, and goes on after it.
            return;
        }
        let log = Log::default();
        let (inner, adds) = (event_loop.clone(), log.clone());
        event_loop.call_soon(move || {
            adds.add("stop");
            inner.stop();
            inner.call_soon(logs(&adds, "next run"));
        });
        event_loop.call_soon(logs(&log, "same batch"));
        event_loop.run_forever().unwrap();
        assert_eq!(log.take(), ["stop", "same batch"]);
        // Stopped before it runs: one turn.
        let (inner, adds) = (event_loop.clone(), log.clone());
        event_loop.call_soon(move || {
            inner.call_soon(logs(&adds, "one turn too late"));
        });
        event_loop.stop();
        event_loop.run_forever().unwrap();
        assert_eq!(log.take(), ["next run"]);
        turn(event_loop);
        assert_eq!(log.take(), ["one turn too late"]);
    });
}

/// What the future gave to the loop before it was done is called before the run
/// returns.
///
/// Proves: B82, asyncio's end of a task, which is a callback itself
pub fn callbacks_of_a_future_that_ends_are_called(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        event_loop.call_soon(logs(&log, "before"));
        let during = logs(&log, "during");
        let main = log.clone();
        event_loop
            .run_until_complete(async move {
                main.add("main");
                get_running_loop().unwrap().call_soon(during);
            })
            .unwrap();
        if event_loop.is_self_driving() {
            // "before" may be called at any time; it is called before "during".
            turn(event_loop);
            let order = log.take();
            assert_eq!(order.iter().filter(|what| *what != "main").count(), 2, "{order:?}");
        } else {
            assert_eq!(log.take(), ["before", "main", "during"]);
        }
    });
}

/// `call_soon_threadsafe` wakes a loop that sleeps, each time; what one thread gives
/// is called in its order.
///
/// Proves: B89
pub fn a_callback_from_another_thread_wakes_a_sleeping_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            for _ in 0..100 {
                let gate = Gate::default();
                let opener = gate.clone();
                event_loop.call_soon_threadsafe(move || opener.open());
                gate.wait_blocking();
            }
            let logs_of: Vec<_> = (0..4).map(|_| Log::default()).collect();
            let left = Arc::new(AtomicUsize::new(400));
            let done = Gate::default();
            thread::scope(|scope| {
                for log in &logs_of {
                    let (left, done) = (left.clone(), done.clone());
                    scope.spawn(move || {
                        for n in 0..100 {
                            let add = logs(log, n.to_string());
                            let (left, done) = (left.clone(), done.clone());
                            event_loop.call_soon_threadsafe(move || {
                                add();
                                if left.fetch_sub(1, SeqCst) == 1 {
                                    done.open();
                                }
                            });
                        }
                    });
                }
            });
            done.wait_blocking();
            for log in &logs_of {
                assert_eq!(log.take(), numbers(0..100));
            }
        });
    });
}

/// Callbacks run with the loop as the running one, outside of any task, one at a time;
/// on the thread that drives the loop, if one does.
///
/// Proves: B39
pub fn callbacks_run_on_the_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let seen = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
        let (inside, expected) = (Arc::new(AtomicUsize::new(0)), event_loop.name().to_string());
        let this = event_loop
            .run_until_complete(async {
                for _ in 0..20 {
                    let (seen, inside, expected) = (seen.clone(), inside.clone(), expected.clone());
                    let check = move || {
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two callbacks at once");
                        assert_eq!(get_running_loop().unwrap().name(), expected);
                        assert!(policy::core::task::try_id().is_none());
                        seen.lock().unwrap().push(thread::current().id());
                        inside.fetch_sub(1, SeqCst);
                    };
                    event_loop.call_soon(check.clone());
                    event_loop.call_later(Duration::from_millis(1), check);
                }
                while seen.lock().unwrap().len() < 40 {
                    policy::time::sleep(Duration::from_millis(1)).await;
                }
                thread::current().id()
            })
            .unwrap();
        assert!(seen.lock().unwrap().iter().all(|thread| *thread == this));
    });
}

/// A callback that adds itself for ever starves neither I/O nor timers nor tasks.
///
/// Proves: B82, 'callbacks for ever starve nobody'
pub fn a_callback_that_never_ends_starves_nobody(make: Make<'_>) {
    fn again(event_loop: &Arc<dyn EventLoop>, done: Flag) {
        let inner = event_loop.clone();
        event_loop.call_soon(move || {
            if !done.is_set() {
                again(&inner, done);
            }
        });
    }
    on_loop(make, |event_loop| {
        let done = Flag::default();
        again(event_loop, done.clone());
        event_loop
            .run_until_complete(async {
                assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
                policy::time::sleep(Duration::from_millis(2)).await;
                assert_eq!(policy::spawn_blocking(|| 2).await.unwrap(), 2);
                let (send, receive) = async_channel::bounded(1);
                let sender = thread::spawn(move || send.send_blocking(3).unwrap());
                assert_eq!(receive.recv().await.unwrap(), 3);
                sender.join().unwrap();
            })
            .unwrap();
        done.set();
        turn(event_loop);
    });
}

/// A million callbacks are all called, in order.
///
/// Proves: 'the number of callbacks does not matter'
pub fn a_million_callbacks_are_called(make: Make<'_>) {
    const MILLION: usize = 1_000_000;
    on_loop(make, |event_loop| {
        let next = Arc::new(AtomicUsize::new(0));
        for n in 0..MILLION {
            let next = next.clone();
            event_loop.call_soon(move || assert_eq!(next.fetch_add(1, SeqCst), n));
        }
        turn(event_loop);
        assert_eq!(next.load(SeqCst), MILLION);
    });
}

/// Callbacks for later are called in the order of their times, those of equal time in
/// the order in which they were given, and none early.
///
/// Proves: B83, B84, B101
pub fn timed_callbacks_are_called_in_order_of_time(make: Make<'_>) {
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let log = Log::default();
        let when = event_loop.time() + Duration::from_millis(20);
        for n in 0..50 {
            let (add, inner) = (logs(&log, n.to_string()), event_loop.clone());
            event_loop.call_at(when, move || {
                assert!(inner.time() >= when, "called early");
                add();
            });
        }
        let before = when - Duration::from_millis(5);
        event_loop.call_at(before, logs(&log, "before"));
        let gate = Gate::default();
        let opener = gate.clone();
        event_loop.call_at(when + Duration::from_millis(5), move || opener.open());
        gate.wait().await;
        let order = log.take();
        assert_eq!(order[0], "before");
        assert_eq!(order[1..], numbers(0..50));
    });
}

/// A callback for now comes after those that were given by `call_soon` before; one
/// whose time has passed is called at once.
///
/// Proves: B83
pub fn soon_comes_before_a_delay_of_nothing(make: Make<'_>) {
    on_loop(make, |event_loop| {
        if event_loop.is_self_driving() {
            // It may be called before the next is given.
            return;
        }
        let log = Log::default();
        let now = event_loop.time();
        event_loop.call_later(Duration::ZERO, logs(&log, "now"));
        event_loop.call_at(now, logs(&log, "earlier"));
        event_loop.call_soon(logs(&log, "soon"));
        turn(event_loop);
        assert_eq!(log.take(), ["soon", "earlier", "now"]);
    });
}

/// A shorter time, given from another thread, wakes a loop that sleeps for longer.
///
/// Proves: B83, B89
pub fn a_shorter_time_wakes_a_loop_that_sleeps_longer(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let long = event_loop.call_later(NEVER, || unreachable!("nobody waits so long"));
        let longest = event_loop.call_later(Duration::MAX, || unreachable!("nobody waits so long"));
        driven(event_loop, || {
            for _ in 0..10 {
                let gate = Gate::default();
                let opener = gate.clone();
                event_loop.call_later(Duration::from_millis(1), move || opener.open());
                gate.wait_blocking();
            }
        });
        assert!(!long.cancelled() && !longest.cancelled());
    });
}

/// Callbacks for later wait while nobody drives the loop, for the next run.
///
/// Proves: B72, B83
pub fn timed_callbacks_persist_between_runs(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let gate = Gate::default();
        let opener = gate.clone();
        let when = event_loop.time() + Duration::from_millis(10);
        event_loop.call_at(when, move || opener.open());
        event_loop.run_until_complete(async {}).unwrap();
        event_loop.run_until_complete(async {}).unwrap();
        event_loop.run_until_complete(gate.wait()).unwrap();
        assert!(event_loop.time() >= when);
    });
}

/// A cancelled callback is dropped at once, and not called, also when its batch has
/// begun; cancelling again, or too late, does nothing.
///
/// Proves: B86, B87
pub fn a_cancelled_callback_is_not_called(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let dropped = Flag::default();
        let held = dropped.on_drop();
        let soon = event_loop.call_later(NEVER, move || drop(held));
        let when = soon.when();
        assert!(!soon.cancelled() && !dropped.is_set());
        soon.cancel();
        soon.cancel();
        assert!(soon.cancelled() && dropped.is_set());
        assert_eq!(soon.when(), when);
        let at = event_loop.time() + NEVER;
        assert_eq!(event_loop.call_at(at, || ()).when(), at);
        // By a sibling of the same batch.
        let sibling = Arc::new(Mutex::new(None::<policy::callback::Handle>));
        let cancels = sibling.clone();
        let mut slot = sibling.lock().unwrap();
        event_loop.call_soon(move || cancels.lock().unwrap().take().unwrap().cancel());
        let cancelled = event_loop.call_soon(|| unreachable!("it was cancelled"));
        *slot = Some(cancelled.clone());
        drop(slot);
        let called = event_loop.call_soon(|| ());
        turn(event_loop);
        assert!(cancelled.cancelled() && !called.cancelled());
        called.cancel();
        assert!(called.cancelled());
        drop(event_loop.call_soon(|| ())); // a handle that is dropped cancels nothing
    });
}

/// Timers that are cancelled leave nothing behind, however many there are.
///
/// Proves: B88
pub fn cancelled_timers_are_let_go(make: Make<'_>) {
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let log = Log::default();
        let gate = Gate::default();
        let opener = gate.clone();
        for n in 0..10 {
            event_loop.call_later(Duration::from_millis(5), logs(&log, n.to_string()));
            for _ in 0..1000 {
                event_loop.call_later(NEVER, || ()).cancel();
            }
        }
        event_loop.call_later(Duration::from_millis(10), move || opener.open());
        gate.wait().await;
        assert_eq!(log.take(), numbers(0..10));
        // None of them is what the loop would wake for.
        let (_, next) = event_loop.outlook();
        assert!(next.is_none_or(|next| next < event_loop.time() + NEVER / 2), "{next:?}");
    });
}

/// A callback that panics harms nobody.
///
/// Proves: B91
pub fn a_callback_that_panics_harms_nobody(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        for n in 0..3 {
            event_loop.call_soon(|| panic!("the callback of this test"));
            event_loop.call_later(Duration::ZERO, || panic!("the callback of this test"));
            event_loop.call_soon(logs(&log, n.to_string()));
        }
        turn(event_loop);
        assert_eq!(log.take(), numbers(0..3));
    });
}

/// A callback may use the loop: add callbacks, spawn tasks, stop it; run it, it may
/// not.
///
/// Proves: B76, B79
pub fn a_callback_may_use_the_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let (inner, gate) = (event_loop.clone(), Gate::default());
        let opener = gate.clone();
        event_loop.call_soon(move || {
            assert_eq!(kind(inner.run_until_complete(async {})), ErrorKind::AlreadyRunning);
            let task = inner.spawn(async { 1 });
            drop(policy::spawn(async move {
                assert_eq!(task.await.unwrap(), 1);
                inner.call_soon(move || opener.open());
            }));
        });
        event_loop.run_until_complete(gate.wait()).unwrap();
        if !event_loop.is_self_driving() {
            let stopper = event_loop.clone();
            event_loop.call_later(Duration::from_millis(1), move || stopper.stop());
            event_loop.run_forever().unwrap();
        }
    });
}

/// A closed loop takes no callbacks, and says so; those that it had are dropped,
/// uncalled. Closing drops them where the loop is seen, closed.
///
/// Proves: B74, B75
pub fn a_closed_loop_drops_its_callbacks(make: Make<'_>) {
    let event_loop = new_loop(make);
    let dropped = Flag::default();
    let held = dropped.on_drop();
    let waits = event_loop.call_later(NEVER, move || drop(held));
    event_loop.close().unwrap();
    assert!(dropped.is_set() && waits.cancelled());
    let late = Flag::default();
    let held = late.on_drop();
    assert!(event_loop.call_soon(move || drop(held)).cancelled());
    assert!(late.is_set());
    assert!(event_loop.call_soon_threadsafe(|| ()).cancelled());
    assert!(event_loop.call_later(Duration::ZERO, || ()).cancelled());
    assert!(event_loop.call_at(event_loop.time(), || ()).cancelled());
    let closed = ErrorKind::LoopClosed;
    assert_eq!(kind(event_loop.try_call_soon(|| ())), closed);
    assert_eq!(kind(event_loop.try_call_soon_threadsafe(|| ())), closed);
    assert_eq!(kind(event_loop.try_call_later(Duration::ZERO, || ())), closed);
    assert_eq!(kind(event_loop.try_call_at(event_loop.time(), || ())), closed);
    waits.cancel();
}

/// A loop that is dropped drops its callbacks; handles may outlive it.
///
/// Proves: B45, B75
pub fn handles_may_outlive_their_loop(make: Make<'_>) {
    let event_loop = new_loop(make);
    let dropped = Flag::default();
    let held = dropped.on_drop();
    let later = event_loop.call_later(NEVER, move || drop(held));
    let soon = event_loop.call_soon(|| ());
    turn(&event_loop);
    drop(event_loop);
    if !dropped.is_set() {
        // A loop that drives itself lets go when its last task has ended.
        while !later.cancelled() {
            thread::yield_now();
        }
    }
    in_thread(move || {
        soon.cancel();
        later.cancel();
    });
    assert!(dropped.is_set());
}
