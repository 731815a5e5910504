//! What every loop keeps whose executor is its own, with the loops of this crate.
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
use policy_compio::ProactorEventLoop;
#[cfg(unix)]
use policy_compio::{CompioPolicy, Driver};
#[cfg(unix)]
use policy_core::EventLoopPolicy;

/// The loops that the behaviours are run with.
pub(crate) const LOOPS: &[Make] = &[
    || ProactorEventLoop::new().unwrap(),
    #[cfg(unix)]
    || CompioPolicy::new().driver(Driver::Polling).new_event_loop().unwrap(),
];
