//! What every loop keeps whose executor is its own, with the loop of this crate.
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
use policy_poller::SelectorEventLoop;

/// The loops that the behaviours are run with.
pub(crate) const LOOPS: &[Make] = &[|| SelectorEventLoop::new().unwrap()];
