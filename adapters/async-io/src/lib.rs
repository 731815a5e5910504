//! The code that the adapters on async-io share: smol's and async-std's.
//!
//! async-io has one reactor per process, which any thread may use; so the selector and the timers
//! are the same for every loop on async-io, and need no loop.
//!
//! | module | holds |
//! |---|---|
//! | [`drive`](mod@drive) | how a thread drives a loop |
//! | [`selector`] | descriptors in that reactor |
//! | [`timer`] | timers in that reactor |
//! | [`blocking`] | the thread pool for blocking jobs, which other adapters share |
//! | [`reactor`] | the start of async-io, with errors instead of panics |
//! | [`start`] | the same for everything that starts once |
//!
//! Users call the crate `policy`; a third adapter on async-io would use this crate.

pub mod drive;
pub mod reactor;
pub mod selector;
pub mod start;
pub mod timer;

use std::time::Duration;

pub use policy_blocking as blocking;

/// How long a closing loop waits for threads that are not busy, whatever its limit: they need
/// microseconds, and `close` promises that the tasks are gone when it returns.
pub const MOMENT: Duration = Duration::from_secs(1);
