//! What users call of a loop's selector and proactor, and what the two lack: many waiters for one
//! source, and operations on loops that only know readiness.

mod attached;
mod blocking;
mod calls;
mod emulated;
#[doc(hidden)]
pub mod peer;
mod proactor_handle;
mod selector_handle;
mod shared;
mod sockets;
#[cfg(unix)]
mod streams;
mod sync;
#[cfg(unix)]
mod sys;
mod waiters;
mod watch;

pub use proactor_handle::ProactorHandle;
pub use selector_handle::{Readiness, SelectorHandle};
pub use shared::SharedSource;
