//! The default loop of `event-loop-policy`, [`SelectorEventLoop`], and what waits for
//! descriptors in it: one poller of the system's per loop, without a thread.
//!
//! | module | holds |
//! |---|---|
//! | [`reactor`] | descriptors in a poller, and who waits for them; compio's loops have it, too |
//! | [`timers`] | the timers of a loop that looks at them itself |
//!
//! Users call the crate `policy`.
//!
//! ```
//! let event_loop = policy_poller::SelectorEventLoop::new()?;
//! assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
//! event_loop.close()?;
//! # Ok::<(), policy_core::Error>(())
//! ```

mod bell;
mod event_loop;
mod poller;
pub mod reactor;
pub mod timers;

pub use event_loop::SelectorEventLoop;
