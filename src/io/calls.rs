//! Calls that are made again, and calls that must not panic.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Calls a system call again that a signal interrupted.
#[inline]
pub(crate) fn uninterrupted<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Wakes. A waker that panics must not end the thread that calls it.
pub(crate) fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        log::error!(
            "the waker of a task that waits for I/O panicked; the others are not concerned"
        );
    }
}
