//! Signals of the process: one handler for all listeners.
//!
//! Users call `policy::signal`. It, the loops' `add_signal_handler` and the child watchers that use
//! SIGCHLD all build on this module, because two mechanisms in one process would replace each
//! other's handlers.
//!
//! | I want to … | use |
//! |---|---|
//! | receive a signal on a loop | `Listener` |
//! | keep a signal handled for a thread of mine | `Hold`, and `Bell` for SIGCHLD |
//! | let Ctrl-C end a run | `Interrupt` |
//!
//! The handler is installed for the first of them and removed after the last, and calls the
//! previous handler too. It touches atomics and writes one byte. A task on each loop that waits
//! reads that byte, or a thread (`policy-signal`) where a loop can't wait for descriptors.

#[cfg(unix)]
mod bell;
#[cfg(unix)]
mod callback;
mod calls;
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
mod table;

pub use kind::SignalKind;

#[doc(hidden)]
#[cfg(unix)]
pub use bell::{Bell, CHILDREN};
#[doc(hidden)]
#[cfg(unix)]
pub use handler::{block_all_but, die_of_interrupt};
#[doc(hidden)]
#[cfg(unix)]
pub use interrupt::Interrupt;
#[cfg(unix)]
pub use listener::Listener;
#[doc(hidden)]
#[cfg(unix)]
pub use table::{Hold, is_first};

#[cfg(unix)]
pub(crate) use callback::{add, remove};
