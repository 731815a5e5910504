//! Children: programs that you start, write to, read from and wait for.
//!
//! [`Command`] starts a [`Child`], as in std; calls that may take time are async. Children do not
//! use any executor's process support: a [watcher] waits for them, and the default one uses the
//! best mechanism of the kernel.
//!
//! | I want to … | call |
//! |---|---|
//! | run a program and collect its output | [`Command::output`] |
//! | run a program and get its exit status | [`Command::status`] |
#![cfg_attr(
    unix,
    doc = "| give a program its input, and collect its output | [`Command::input`], [`Child::communicate`] |"
)]
//! | talk to a program while it runs | [`Command::spawn`], or [`Command::start`] in code that must not block |
//! | call it as in asyncio | [`create_subprocess_exec`], [`create_subprocess_shell`] |
#![cfg_attr(unix, doc = "| wait for whichever of many children exits next | [`watch_all`] |")]
#![cfg_attr(
    unix,
    doc = "| run a program in a terminal | [`Command::pty`], [`Command::foreground`] |"
)]
#![cfg_attr(
    unix,
    doc = "| limit the memory, processes and processor time of a child and all that it starts | [`Command::cgroup`] |"
)]
#![cfg_attr(unix, doc = "| wait for a child that other code started | [`watch`] |")]
#![cfg_attr(
    unix,
    doc = "| wait for a child that tokio or async-process reaps | [`ForeignChild`] |"
)]
//!
//! Nothing is lost: every child ends with its right status or with a typed error, and no zombie
//! remains. A signal reaches the child that it is meant for, or no process.
//!
//! [watcher]: crate::ChildWatcher
//!
//! # Windows
//! There is no child watcher, as in asyncio: the handle of a process is its identity, and the system
//! signals it when the process ends. Some things differ from Unix. There are no signals, so a child
//! that should end is killed. `kill_tree` kills a job object, which no process can leave. There is
//! no `quote`, because `cmd` and all programs have no quoting in common: pass arguments to
//! [`Command::arg`] instead. What waits for other code's children, and terminals, is for Unix.

mod background;
#[cfg(unix)]
mod cgroup;
mod child;
mod command;
#[cfg(unix)]
mod exits;
mod identity;
#[cfg(unix)]
mod interop;
#[cfg(unix)]
pub(crate) mod probe;
mod reach;
#[cfg(unix)]
mod shell;
#[cfg(unix)]
mod start;
#[cfg(unix)]
mod sys;
#[cfg(unix)]
mod table;
mod talk;
mod terms;
#[cfg(unix)]
mod tree;
mod usage;
#[cfg(unix)]
pub mod watcher;
#[cfg(windows)]
mod windows;

use std::ffi::OsStr;

pub use std::process::ExitStatus;
#[cfg(windows)]
pub use std::process::Stdio;

#[cfg(unix)]
pub use cgroup::Cgroup;
#[cfg(unix)]
pub use child::watch;
pub use child::{Child, Starting};
pub use command::Command;
#[cfg(unix)]
pub use exits::{Exits, watch_all};
#[cfg(unix)]
pub use identity::ChildOwner;
pub use identity::limit::{max_children, set_max_children};
#[cfg(unix)]
pub use interop::ForeignChild;
pub use reach::TreeReach;
#[cfg(unix)]
pub use shell::quote;
pub use talk::output::{Output, PartialOutput};
pub use talk::pipe::{ChildStderr, ChildStdin, ChildStdout};
#[cfg(unix)]
pub use talk::pty::Pty;
#[cfg(unix)]
pub use talk::stdio::Stdio;
pub use usage::Usage;

/// Starts a program with arguments, with this process's standard streams (asyncio's
/// `create_subprocess_exec`). Another thread starts the program, so that the loop keeps running.
///
/// The future returns the errors of [`Command::spawn`]. If you drop it before it is ready, no child
/// remains.
///
/// ```
/// policy::run(async {
///     let child = policy::create_subprocess_exec("true", ["ignored"]).await?;
///     assert!(child.wait().await?.success());
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn create_subprocess_exec(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Starting {
    Command::new(program).args(args).start()
}

/// Runs a command line with the shell `/bin/sh` (asyncio's `create_subprocess_shell`; on
/// Windows with the one in `ComSpec`, `cmd`); see [`create_subprocess_exec`], and on Unix `quote` for
/// text that comes from elsewhere.
///
/// ```
/// policy::run(async {
///     let child = policy::create_subprocess_shell("exit $((3 + 4))").await?;
///     assert_eq!(child.wait().await?.code(), Some(7));
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn create_subprocess_shell(line: impl AsRef<OsStr>) -> Starting {
    Command::shell(line).start()
}
