//! Calls of others' code, whose panic must not end what is done for the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakes. A waker that panics must not end the thread that calls it.
#[inline]
pub fn wake(waker: impl Into<Option<Waker>>) {
    if let Some(waker) = waker.into() {
        isolated("a waker", || waker.wake());
    }
}

/// Calls others' code; says so if it panics.
#[inline]
pub fn isolated(what: &str, f: impl FnOnce()) {
    if quietly(f) {
        quietly(|| log::error!("{what} panicked; others are not concerned"));
    }
}

/// Runs others' code whose panic has nowhere to go. The panic hook has told. Returns true if it
/// panicked.
#[inline]
pub fn quietly(f: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { return false };
    // A payload may panic when dropped. It is leaked then, by `forget`.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    true
}
