//! The heart of a loop: what is ready, what comes later, and the turn that runs it.
//! asyncio's `_ready`, `_scheduled` and `_run_once`.
//!
//! | file | knows |
//! |---|---|
//! | `ready` | all that is ready, in one queue, and who has to run it |
//! | `mail` | what of it came from elsewhere, or while nobody drives |
//! | `lane` | the part of that queue that the driving thread has for itself |
//! | `turn` | one run: the main future, and batches of what is ready |
//! | `main_future` | whether an executor has begun to poll the main future |
//! | `local_tasks` | tasks that stay on the thread that drives their loop |
//! | `callback` | one callback: called once, or cancelled |
//! | `schedule` | all that comes later, in the order of deadlines |
//! | `moments` | what the run asks of schedule and clock |
//! | `wait` | one wait for a moment: what a sleep has |
//! | `clock` | what time it is for the loop |
//! | `advance` | moving the time of a clock that is paused |
//! | `probe` | whether the reactor has seen all that was ready |
//! | `pump` | the task that runs callbacks on a loop that drives itself |
//! | `surroundings` | what tasks and callbacks keep of the place where they were made |
//! | `threads` | a pool of threads, for jobs that block |
//! | `timekeeper` | the task that fires the timers of such a loop |
//! | `sync` | the locks and atomics of the queue, or those of a scheduler that tests it |
//!
//! What is ready is run by one *driver* at a time: the run, on the thread that drives
//! the loop; or, while nobody drives a loop that drives itself, a pump, which runs
//! callbacks only. On other loops all waits for the next run, as in asyncio.

mod advance;
pub mod blocking;
pub mod budget;
mod callback;
mod calls;
mod clock;
pub mod context;
pub(crate) mod debug;
pub(crate) mod exception;
pub(crate) mod executors;
mod lane;
pub mod local;
mod local_tasks;
mod mail;
mod main_future;
mod moments;
mod probe;
mod pump;
mod ready;
mod schedule;
mod state;
pub mod surroundings;
mod sync;
pub mod task;
pub mod threads;
mod timekeeper;
mod timers;
pub mod tracker;
mod turn;
mod wait;

pub use advance::Advance;
pub use callback::{Handle, TimerHandle};
pub use calls::{AtEnd, ShutdownReport};
pub use clock::{Outside, all_real};
pub use main_future::MainFuture;
pub use wait::{Wait, Waited};

pub(crate) use callback::new;
pub(crate) use lane::Lane;
pub(crate) use local_tasks::close as close_local;
pub(crate) use pump::start;
pub(crate) use ready::Ready;
pub(crate) use state::Heart;
#[cfg(any(unix, windows))]
pub(crate) use state::Kept;
pub(crate) use turn::Turn;
