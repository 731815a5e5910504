//! Callbacks: what `call_soon` and `call_at` are given, and who calls it when.
//!
//! | file | knows |
//! |---|---|
//! | `handle` | one callback: called once, or cancelled |
//! | `queue` | all callbacks of a loop, in order, and who has to run them |
//! | `turn` | one batch: what was there when it began; and the timer for the rest |
//! | `pump` | the task that runs them on a loop that drives itself |
//!
//! A loop's callbacks are run by one *driver* at a time: the main future of a run,
//! on the thread that drives the loop; or, while nobody drives a loop that drives
//! itself, a pump. On other loops they wait for the next run, as in asyncio.

mod handle;
mod pump;
mod queue;
mod turn;

pub use handle::{Handle, TimerHandle};

pub(crate) use handle::{new, new_timed};
pub(crate) use pump::start;
pub(crate) use queue::{Callbacks, Driver, STOP, WORK};
pub(crate) use turn::Turn;
