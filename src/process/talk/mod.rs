//! What goes in and out of a child.

pub(super) mod output;
#[cfg(unix)]
pub(super) mod pipe;
#[cfg(windows)]
#[path = "windows_pipe.rs"]
pub(super) mod pipe;
#[cfg(unix)]
pub(super) mod pty;
#[cfg(unix)]
pub(super) mod stdio;

/// The ends of the pipes to a child.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<pipe::ChildStdin>,
    pub(super) stdout: Option<pipe::ChildStdout>,
    pub(super) stderr: Option<pipe::ChildStderr>,
}
