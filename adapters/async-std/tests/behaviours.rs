//! What every loop on async-io keeps, with the loop of this crate.
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
use policy_async_std::AsyncStdPolicy;
use policy_core::EventLoopPolicy;

/// The loops that the behaviours are run with.
pub(crate) const LOOPS: &[Make] = &[|| AsyncStdPolicy::new().new_event_loop().unwrap()];
