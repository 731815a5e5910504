//! Children: programs that you start, write to, read from and wait for.
//!
//! [`Command`] starts a [`Child`], as in std; calls that may take time are async. Children do not
//! use any executor's process support: a [watcher] waits for them, and the [default
//! one](watcher::AutoChildWatcher) uses the best mechanism of the kernel.
//!
//! | I want to … | call |
//! |---|---|
//! | run a program and collect its output | [`Command::output`] |
//! | run a program and get its exit status | [`Command::status`] |
//! | give a program its input, and collect its output | [`Command::input`], [`Child::communicate`] |
//! | talk to a program while it runs | [`Command::spawn`], or [`Command::start`] in code that must not block |
//! | call it as in asyncio | [`create_subprocess_exec`], [`create_subprocess_shell`] |
//! | wait for whichever of many children exits next | [`watch_all`] |
//! | run a program in a terminal | [`Command::pty`], [`Command::foreground`] |
//! | wait for a child that other code started | [`watch`] |
//! | wait for a child that tokio or async-process reaps | [`ForeignChild`] |
//!
//! Nothing is lost: every child ends with its right status or with a typed error, and no zombie
//! remains. A signal reaches the child that it is meant for, or no process.
//!
//! [watcher]: crate::ChildWatcher

mod anchor;
mod background;
mod child;
mod command;
mod delay;
mod exit;
mod exits;
mod hub;
mod identity;
mod input;
mod interop;
mod limit;
mod output;
mod pidfd;
mod pipe;
pub(crate) mod probe;
mod pty;
mod reach;
mod shell;
mod sigchld;
mod start;
mod strangers;
mod sync;
mod sys;
mod terminal;
mod thieves;
mod threads;
mod tree;
mod usage;
mod wakers;
pub mod watcher;

use std::ffi::OsStr;

pub use std::process::ExitStatus;

pub use child::{Child, Starting, watch};
pub use command::Command;
pub use exits::{Exits, watch_all};
pub use interop::{ChildOwner, ForeignChild};
pub use limit::{max_children, set_max_children};
pub use output::{Output, PartialOutput};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use pty::Pty;
pub use reach::TreeReach;
pub use shell::quote;
pub use start::Stdio;
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

/// Runs a command line with the shell `/bin/sh` (asyncio's `create_subprocess_shell`); see
/// [`create_subprocess_exec`], and [`quote`] for text that comes from elsewhere.
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
