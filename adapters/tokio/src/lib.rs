//! tokio for `event-loop-policy`: [`TokioPolicy`], and [`adopt()`], which finds the
//! runtimes that are already there.
//!
//! How a loop and a tokio runtime belong together:
//!
//! | loop | made by | the runtime | closing the loop |
//! |---|---|---|---|
//! | `tokio:current_thread`, `tokio:multi_thread` | [`TokioPolicy::current_thread`], [`TokioPolicy::multi_thread`] | is the loop's own | shuts it down |
//! | `tokio:handle` | [`TokioPolicy::from_handle`] | is lent by its owner | cancels the loop's own tasks |
//! | `tokio:handle` | [`adopt()`] | was found on this thread | is refused: its owner runs it |

mod adopt;
#[cfg(unix)]
mod child;
mod drive;
mod drivers;
mod event_loop;
mod fair;
mod keeper;

mod nesting;
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
