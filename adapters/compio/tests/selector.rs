//! Descriptors in the loop's own poller, of each driver.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "../../poller/tests/sources/mod.rs"]
mod sources;

use policy_compio::{CompioPolicy, Driver, ProactorEventLoop};
use policy_core::EventLoopPolicy;
use sources::Make;

/// The loops that the stories are run with.
pub(crate) const LOOPS: &[Make] = &[
    || ProactorEventLoop::new().unwrap(),
    || CompioPolicy::new().driver(Driver::Polling).new_event_loop().unwrap(),
];
