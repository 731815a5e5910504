//! What users call of a loop's selector and proactor, and what the two lack: many waiters for one
//! source, and operations on loops that only know readiness.

mod calls;
mod io_callbacks;
#[cfg(feature = "proactor")]
#[doc(hidden)]
pub mod peer;
#[cfg(feature = "proactor")]
mod proactor;
mod selector_handle;
#[cfg_attr(not(feature = "proactor"), allow(dead_code, reason = "who leaves is a proactor"))]
mod shared;
#[cfg_attr(not(feature = "proactor"), allow(dead_code, reason = "who leaves is a proactor"))]
mod waiters;

#[cfg(feature = "proactor")]
pub use proactor::ProactorHandle;
pub use selector_handle::{Readiness, SelectorHandle};
pub use shared::SharedSource;
