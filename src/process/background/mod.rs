//! The thread of last resort: `policy-reaper`.
//!
//! It waits for what no loop waits for: children that were dropped before they
//! exited, and children and pipes that are polled where no loop runs. It is a
//! small executor on a small reactor, starts when it is needed, and ends when it
//! is not.

mod orphans;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod reactor;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "absent.rs"]
mod reactor;

pub(super) use orphans::{adopt, sweep};
pub(super) use reactor::{register, spawn, wake_after};
