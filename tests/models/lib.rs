//! Who waits, and who tells: the sources of the child layer and of the selectors, with
//! loom's locks in place of std's, and what they must keep in every interleaving.
//!
//! `cargo test -p event-loop-policy-models`
#![cfg(test)]

/// What `src/process/sync.rs` and `core/src/selector/sync.rs` are there.
mod sync {
    pub(super) use std::sync::PoisonError;
    pub(super) use std::sync::atomic::Ordering::SeqCst;

    pub(super) use loom::sync::{Mutex, MutexGuard};

    pub(super) use crate::atomics::{AtomicBool, AtomicUsize};
}

/// What `core/src/executors.rs` is there: here all wakers are an executor's.
mod executors {
    use std::task::Waker;

    pub(super) fn is_executors(_waker: &Waker) -> bool {
        true
    }
}

mod atomics;

#[path = "../../src/process/wakers.rs"]
mod wakers;

#[path = "../../core/src/selector/waiters.rs"]
mod waiters;

mod shared;
mod waits;
