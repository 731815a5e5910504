//! The thread of last resort: `policy-reaper`; and how code waits that may be polled with no loop.
//!
//! It waits for what no loop waits for: children that were dropped before they
//! exited, and children and pipes that are polled where no loop runs. It has the
//! reactor of the default loop, starts when it is needed, and ends when it is not.

pub(super) mod delay;
#[cfg(unix)]
mod reactor;
#[cfg(windows)]
#[path = "windows.rs"]
mod reactor;
#[cfg(unix)]
pub(super) mod rover;

pub(super) use reactor::wake_after;
#[cfg(unix)]
pub(super) use reactor::{register, spawn};
