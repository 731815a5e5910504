//! Who waits for a child, and who tells: the sources of the child layer, with loom's
//! locks in place of std's, and what they must keep in every interleaving.
//!
//! `cargo test -p event-loop-policy-models`
#![cfg(test)]

/// What `src/process/sync.rs` is there.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Mutex, MutexGuard};
}

#[path = "../../src/process/wakers.rs"]
mod wakers;

mod waits;
