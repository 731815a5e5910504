//! Children: programs that you start, write to, read from and wait for.
//!
//! [`Command`] starts a [`Child`], as in std; calls that may take time are async. Children do not
//! use any executor's process support, and there is no child watcher here, as in asyncio: the
//! handle of a process is its identity, and the system signals it when the process ends.
//!
//! | I want to … | call |
//! |---|---|
//! | run a program and collect its output | [`Command::output`] |
//! | run a program and get its exit status | [`Command::status`] |
//! | talk to a program while it runs | [`Command::spawn`], or [`Command::start`] in code that must not block |
//! | call it as in asyncio | [`create_subprocess_exec`], [`create_subprocess_shell`] |
//!
//! Some things differ from Unix. There are no signals, so a child that should end is killed.
//! `kill_tree` kills a job object, which no process can leave. There is no `quote`, because `cmd`
//! and all programs have no quoting in common: pass arguments to [`Command::arg`] instead.

mod background;
mod child;
mod command;
#[path = "../delay.rs"]
mod delay;
mod exit;
#[path = "../limit.rs"]
mod limit;
#[path = "../output.rs"]
mod output;
mod pipe;
#[path = "../reach.rs"]
mod reach;
mod sys;
#[path = "../usage.rs"]
mod usage;

use std::ffi::OsStr;

pub use std::process::{ExitStatus, Stdio};

pub use child::{Child, Starting};
pub use command::Command;
pub use limit::{max_children, set_max_children};
pub use output::{Output, PartialOutput};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use reach::TreeReach;
pub use usage::Usage;

/// Starts a program with arguments, with this process's standard streams (asyncio's
/// `create_subprocess_exec`). Another thread starts the program, so that the loop keeps running.
///
/// The future returns the errors of [`Command::spawn`]. If you drop it before it is ready, no child
/// remains.
///
/// ```
/// policy::run(async {
///     let child = policy::create_subprocess_exec("hostname", [""; 0]).await?;
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

/// Runs a command line with the shell in `ComSpec`, `cmd` (asyncio's `create_subprocess_shell`);
/// see [`create_subprocess_exec`].
///
/// ```
/// policy::run(async {
///     let child = policy::create_subprocess_shell("exit 7").await?;
///     assert_eq!(child.wait().await?.code(), Some(7));
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn create_subprocess_shell(line: impl AsRef<OsStr>) -> Starting {
    Command::shell(line).start()
}
