//! Calls that are made again, and calls that must not panic.

use std::io;

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
