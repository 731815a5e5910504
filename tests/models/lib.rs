//! Who waits, and who tells: the sources of the child layer, of the selectors and of the
//! signals' holders, with loom's locks in place of std's, and what they must keep in every
//! interleaving.
//!
//! `cargo test -p event-loop-policy-models`
#![cfg(test)]

/// What `src/process/sync.rs`, `core/src/io/sync.rs` and `core/src/signal/sync.rs` are
/// there.
mod sync {
    pub(super) use std::sync::PoisonError;
    pub(super) use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};

    pub(super) use loom::sync::{Mutex, MutexGuard};

    pub(super) use crate::atomics::{AtomicBool, AtomicUsize};

    pub(super) fn pause(_looks: u32) {
        loom::thread::yield_now();
    }
}

mod heart {
    /// What `core/src/heart/executors.rs` is there: here all wakers are an executor's.
    pub(super) mod executors {
        use std::task::Waker;

        pub(crate) fn is_executors(_waker: &Waker) -> bool {
            true
        }
    }
}

mod atomics;

#[path = "../../src/process/wakers.rs"]
mod wakers;

#[path = "../../core/src/io/waiters.rs"]
mod waiters;

#[path = "../../core/src/signal/holders.rs"]
mod holders;

mod holds;
mod shared;
mod waits;
