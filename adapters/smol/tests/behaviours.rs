//! What every loop on async-io keeps, with the loops of this crate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "../../async-io/tests/behaviours/mod.rs"]
mod behaviours;

use behaviours::Make;
use policy_core::EventLoopPolicy;
use policy_smol::SmolPolicy;

/// The loops that the behaviours are run with.
pub(crate) const LOOPS: &[Make] = &[
    || SmolPolicy::current_thread().new_event_loop().unwrap(),
    || SmolPolicy::multi_thread().worker_threads(2).new_event_loop().unwrap(),
];
