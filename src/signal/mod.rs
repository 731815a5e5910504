//! Signals of the process, on whichever loop runs.
//!
//! | I want … | use |
//! |---|---|
//! | to end when somebody presses Ctrl-C | nothing: [`run`](crate::run) drops its future then, and so cleans up |
//! | to say myself what Ctrl-C means | [`ctrl_c`] |
//! | SIGTERM, SIGHUP, … (Unix) | `signal` |
//! | a callback, as in asyncio (Unix) | `event_loop.add_signal_handler` |
//! | the events of a console (Windows) | `ctrl_break`, `ctrl_close`, `ctrl_logoff`, `ctrl_shutdown` |
//!
//! There may be any number of listeners, on any loops and threads: each hears of every
//! signal, from the moment that it is made. Signals that come before it looks are told
//! as one. While there is a listener the signal does not do what it does by default; a
//! handler that was there before is called too, and is put back when the last listener
//! has gone. tokio's and signal-hook's listeners in the same program hear of it as well.
//!
//! On Unix a signal wakes a task on the loop where the listener is polled. Only where no
//! loop runs, or the loop can't wait for descriptors, is there a thread for that,
//! `policy-signal`; and where the listener was made with the signal blocked, as it may
//! be inherited: then the thread takes it. A child of `fork` has no listeners, and the
//! handlers that it inherited put back what was before as soon as they are called.

mod ctrl_c;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

pub use policy_core::signal::SignalKind;

pub use ctrl_c::{CtrlC, ctrl_c};
#[cfg(unix)]
pub use unix::{Signal, signal};
#[cfg(windows)]
pub use windows::{ConsoleEvent, ctrl_break, ctrl_close, ctrl_logoff, ctrl_shutdown};
