//! Signals of the process: one handler for all who listen.
//!
//! Users call `policy::signal`; this is what it, the loops' `add_signal_handler` and
//! child watchers on SIGCHLD stand on, because two mechanisms in one process would
//! take each other's handlers away.
//!
//! | I want to … | use |
//! |---|---|
//! | hear of a signal on a loop | `Listener` |
//! | have a signal handled for a thread of mine | `Hold`, and `Bell` for SIGCHLD |
//! | let Ctrl-C end a run | `Interrupt` |
//!
//! The handler is put in place when the first of them comes and put back when the last
//! goes, and calls whoever was there before. It touches atomics and writes one byte;
//! that byte is read by a task on each loop that waits, or by a thread
//! (`policy-signal`) where a loop can't wait for descriptors.

#[cfg(unix)]
mod bell;
#[cfg(unix)]
mod callback;
#[cfg(unix)]
mod handler;
#[cfg(unix)]
mod holders;
#[cfg(unix)]
mod hub;
#[cfg(unix)]
mod interrupt;
mod kind;
#[cfg(unix)]
mod listener;
#[cfg(unix)]
mod reader;
#[cfg(unix)]
mod sync;
#[cfg(unix)]
mod table;

pub use kind::SignalKind;

#[cfg(unix)]
pub use bell::{Bell, CHILDREN};
#[cfg(unix)]
pub use handler::{block_all_but, die_of_interrupt};
#[cfg(unix)]
pub use interrupt::Interrupt;
#[cfg(unix)]
pub use listener::Listener;
#[cfg(unix)]
pub use table::{Hold, is_first};

#[cfg(unix)]
pub(crate) use callback::{add, remove};
