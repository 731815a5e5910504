//! What the adapters on async-io share: smol's and async-std's.
//!
//! async-io has one reactor per process, which any thread may use; so selector
//! and timers are the same for every loop that stands on it, and need no loop.
//!
//! | module | holds |
//! |---|---|
//! | [`drive`](mod@drive) | how a thread drives a loop |
//! | [`selector`] | descriptors in that reactor |
//! | [`timer`] | timers in that reactor |
//! | [`blocking`] | the pool for jobs that block, which others share |
//! | [`reactor`] | the start of async-io, with errors instead of panics |
//! | [`start`] | the same for whatever starts once |
//!
//! Users call the crate `policy`; a third adapter on async-io would use this one.

pub mod drive;
pub mod reactor;
pub mod selector;
pub mod start;
pub mod timer;

use std::time::Duration;

pub use policy_blocking as blocking;

/// How long a loop that shuts down waits for threads that are not busy, whatever
/// its limit: they need microseconds, and `close` promises that the tasks are
/// gone when it returns.
pub const MOMENT: Duration = Duration::from_secs(1);
