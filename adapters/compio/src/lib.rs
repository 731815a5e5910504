//! compio for `event-loop-policy`: [`ProactorEventLoop`] and [`CompioPolicy`].
//!
//! compio's driver waits for completion: with io_uring if the system has it, else with polling
//! ([`Driver`] names them), and with IOCP on Windows. compio's own calls work in tasks of the loop:
//! its runtime is entered while the loop runs.
//!
//! A queue of this crate runs the tasks, not compio's executor. A waker of compio's that is used on
//! another thread goes through a queue of a fixed size, and spins while that is full: for as long
//! as no thread runs the loop, and for ever if the loop's thread waits for a lock that the other
//! thread holds meanwhile. And while compio's executor is cleared, a destructor that wakes or
//! spawns a task accesses tables that are being emptied.
//!
//! Users name these types through the crate `policy`.
//!
//! ```
//! let event_loop = policy_compio::ProactorEventLoop::new()?;
//! assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
//! event_loop.close()?;
//! # Ok::<(), policy_core::Error>(())
//! ```

mod drive;
mod driver;
mod event_loop;
mod local;
mod policy;
mod shared;

#[cfg(unix)]
mod guest;
#[cfg(any(target_os = "linux", windows))]
mod proactor;
#[cfg(unix)]
mod selector;

pub use driver::Driver;
pub use event_loop::ProactorEventLoop;
pub use policy::CompioPolicy;
