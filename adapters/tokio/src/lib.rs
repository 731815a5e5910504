//! tokio for `event-loop-policy`: [`TokioPolicy`], and [`adopt()`], which finds existing runtimes.
//!
//! The relation between a loop and its tokio runtime:
//!
//! | loop | made by | the runtime | closing the loop |
//! |---|---|---|---|
//! | `tokio:current_thread`, `tokio:multi_thread` | [`TokioPolicy::current_thread`], [`TokioPolicy::multi_thread`] | belongs to the loop | shuts it down |
//! | `tokio:handle` | [`TokioPolicy::from_handle`] | is lent by its owner | cancels the loop's own tasks |
//! | `tokio:handle` | [`adopt()`] | was found on this thread | is refused: its owner runs it |

mod adopt;
#[cfg(unix)]
mod child;
mod event_loop;
mod facilities;
mod fair;
mod sentinel;

mod nesting;
mod options;
mod policy;
mod scoped;
#[cfg(unix)]
mod selector;
#[cfg(windows)]
#[path = "selector_windows.rs"]
mod selector;
mod tenure;
mod timer;

pub use adopt::adopt;
#[cfg(unix)]
pub use child::Child;
pub use fair::defer;
pub use nesting::is_polling;
pub use policy::TokioPolicy;
