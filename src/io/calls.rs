//! Calls that are made again, and calls that must not panic.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use policy_core::task::JoinError;
use policy_core::{Error, ErrorKind};

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

/// Says why a blocking job has no result.
pub(crate) fn not_run(error: JoinError) -> io::Error {
    if error.is_cancelled() {
        return Error::from(ErrorKind::LoopClosed).into();
    }
    if error.is_forked() {
        return Error::from(ErrorKind::Forked).into();
    }
    io::Error::other(error)
}

/// Wakes. A waker that panics must not end the thread that calls it.
pub(crate) fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        log::error!(
            "the waker of a task that waits for I/O panicked; the others are not concerned"
        );
    }
}
