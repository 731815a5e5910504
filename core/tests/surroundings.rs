//! What surrounds a task, where it does not keep to what it should do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use policy_core::surroundings::scope;

fn swallows_panics(f: &mut dyn FnMut()) {
    drop(catch_unwind(AssertUnwindSafe(f)));
}

fn calls_nothing(_f: &mut dyn FnMut()) {}

fn calls_twice(f: &mut dyn FnMut()) {
    f();
    f();
}

// It was swallowed, and another panic said that this can't be.
#[test]
fn a_panic_goes_on_outside_of_what_swallows_panics() {
    let payload = catch_unwind(|| scope(swallows_panics, || std::panic::panic_any(7)));
    assert_eq!(payload.unwrap_err().downcast_ref(), Some(&7));
}

#[test]
fn a_function_is_called_once_whatever_surrounds_it() {
    for enter in [calls_nothing, calls_twice, swallows_panics] {
        let calls = Cell::new(0);
        let answer = scope(enter, || {
            calls.set(calls.get() + 1);
            42
        });
        assert_eq!((answer, calls.get()), (42, 1));
    }
}

#[test]
fn a_panic_of_what_surrounds_it_is_let_through() {
    fn panics(f: &mut dyn FnMut()) {
        f();
        std::panic::panic_any(8);
    }
    let payload = catch_unwind(|| scope(panics, || ()));
    assert_eq!(payload.unwrap_err().downcast_ref(), Some(&8));
}
