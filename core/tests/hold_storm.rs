//! Holds that come and go in a storm of their signal. A file of its own: the signal is the
//! process's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(unsafe_code, reason = "`raise`, which takes a number")]

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::signal::{Hold, SignalKind, is_first};

/// A guard against a machine that is too slow for all of them.
const LONG: Duration = Duration::from_secs(30);

/// A handler of the last hold, still at work, put the default in place of the next one's,
/// which then heard of nothing: 48 of 147,000.
#[test]
fn a_hold_that_begins_while_handlers_of_the_last_are_at_work_is_not_deaf() {
    // By default it does nothing.
    let kind = SignalKind::window_change();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    // SAFETY: takes a number.
                    unsafe { libc::raise(kind.as_raw()) };
                }
            });
        }
        let begun = Instant::now();
        let (mut holds, mut deaf, mut left) = (0, 0, 0);
        while holds < 30_000 && begun.elapsed() < LONG {
            let hold = Hold::new(kind).unwrap();
            holds += 1;
            // While those who saw the last hold go are on their way.
            deaf += u32::from((0..8).any(|_| {
                (0..50).for_each(|_| spin_loop());
                !is_first(kind)
            }));
            left += u32::from(!hold.release() || is_first(kind));
        }
        stop.store(true, Relaxed);
        println!("{holds} holds in {:?}", begun.elapsed());
        assert_eq!((deaf, left), (0, 0), "of {holds}: deaf, and not put back");
    });
}
