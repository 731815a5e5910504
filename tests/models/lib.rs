//! Who waits, and who tells: the sources of the child layer, of the selectors and of the
//! signals' holders, with loom's locks in place of std's, and what they must keep in every
//! interleaving.
//!
//! `cargo test -p event-loop-policy-models`
#![cfg(test)]

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

#[path = "../../core/src/io/waiters.rs"]
mod waiters;

#[path = "../../core/src/signal/holders.rs"]
mod holders;

mod holds;
mod shared;
mod sync;
mod waits;
