//! The default loop of `event-loop-policy` on Windows, which is compio's; empty on other systems.
//!
//! It is a crate of its own only because of cargo: a feature can't turn on a dependency on one
//! system and leave it out on others, where another feature turns it on.

#[cfg(windows)]
pub use policy_compio::ProactorEventLoop;
