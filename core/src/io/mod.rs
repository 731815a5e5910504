//! What users call of a loop's selector and proactor, and what the two lack: many waiters for one
//! source, and operations on loops that only know readiness.

mod calls;
#[doc(hidden)]
pub mod peer;
mod proactor;
mod selector_handle;
mod shared;
mod sync;
mod waiters;
mod watch;

pub use proactor::ProactorHandle;
pub use selector_handle::{Readiness, SelectorHandle};
pub use shared::SharedSource;
