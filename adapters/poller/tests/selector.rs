//! Descriptors in the poller of the default loop.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod sources;

use policy_poller::SelectorEventLoop;
use sources::Make;

/// The loops that the stories are run with.
pub(crate) const LOOPS: &[Make] = &[|| SelectorEventLoop::new().unwrap()];
