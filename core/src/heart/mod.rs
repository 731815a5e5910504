//! The heart of a loop: what is ready, what comes later, and the turn that runs it.
//! asyncio's `_ready`, `_scheduled` and `_run_once`.
//!
//! | file | knows |
//! |---|---|
//! | `ready` | all that is ready, in one queue, and who has to run it |
//! | `lane` | the part of that queue that the driving thread has for itself |
//! | `turn` | one run: the main future, and batches of what is ready |
//! | `local` | tasks that stay on the thread that drives their loop |
//! | `callback` | one callback: called once, or cancelled |
//! | `timed` | callbacks for later |
//! | `pump` | the task that runs callbacks on a loop that drives itself |
//!
//! What is ready is run by one *driver* at a time: the run, on the thread that drives
//! the loop; or, while nobody drives a loop that drives itself, a pump, which runs
//! callbacks only. On other loops all waits for the next run, as in asyncio.

mod callback;
mod lane;
mod local;
mod pump;
mod ready;
mod timed;
mod turn;

pub use callback::{Handle, TimerHandle};

pub(crate) use callback::{new, new_timed};
pub(crate) use lane::Lane;
pub(crate) use local::close as close_local;
pub(crate) use pump::start;
pub(crate) use ready::Ready;
pub(crate) use turn::Turn;
