//! Signals of the process, on any loop.
//!
//! | I want … | use |
//! |---|---|
//! | to end when the user presses Ctrl-C | nothing: [`run`](crate::run) drops its future then, and so cleans up |
//! | to decide myself what Ctrl-C does | [`ctrl_c`] |
//! | SIGTERM, SIGHUP, … (Unix) | `signal` |
//! | a callback, as in asyncio (Unix) | `event_loop.add_signal_handler` |
//! | the events of a console (Windows) | `ctrl_break`, `ctrl_close`, `ctrl_logoff`, `ctrl_shutdown` |
//!
//! There may be any number of listeners, on any loops and threads: each receives every signal, from
//! its creation on. Signals that arrive before a listener is polled are merged into one. While
//! there is a listener, the signal's default action does not happen; the previous handler is called
//! too, and is restored when the last listener is dropped. Listeners of tokio and signal-hook in
//! the same program receive the signal as well.
//!
//! On Unix a signal wakes a task on the loop where the listener is polled. A thread,
//! `policy-signal`, does that only where no loop runs, where the loop can't wait for descriptors,
//! or where the listener was made with the signal blocked, for example by an inherited mask: then
//! the thread takes the signal. A child of `fork` has no listeners, and the handlers that it
//! inherited restore the previous ones as soon as they are called.

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
