//! What goes in and out of a child.

pub(super) mod output;
#[cfg(unix)]
pub(super) mod pipe;
#[cfg(windows)]
#[path = "windows_pipe.rs"]
pub(super) mod pipe;
#[cfg(unix)]
pub(super) mod pty;
