//! Children: programs that are started, written to, read from and waited for.
//!
//! [`Command`] starts a [`Child`], as in std; what may take time is awaited. The
//! children stand on no executor's process support, and there is no child watcher here,
//! as in asyncio: the handle of a process is its identity, and the system tells when it
//! is signalled.
//!
//! | I want to … | call |
//! |---|---|
//! | run a program and have what it writes | [`Command::output`] |
//! | run a program and have how it ended | [`Command::status`] |
//! | talk to a program while it runs | [`Command::spawn`], or [`Command::start`] in code that must not block |
//! | call it as in asyncio | [`create_subprocess_exec`], [`create_subprocess_shell`] |
//!
//! Other than on Unix: there are no signals, so a child that should end is killed; what
//! `kill_tree` kills is a job object, which nobody leaves; and there is no `quote`, since
//! no quoting is understood by `cmd` and by every program: give arguments to
//! [`Command::arg`] instead.

mod background;
mod child;
mod command;
#[path = "../delay.rs"]
mod delay;
mod exit;
#[path = "../limit.rs"]
mod limit;
#[path = "../on_loop.rs"]
mod on_loop;
#[path = "../output.rs"]
mod output;
mod pipe;
mod sys;

use std::ffi::OsStr;

pub use std::process::{ExitStatus, Stdio};

pub use child::{Child, Starting};
pub use command::Command;
pub use limit::{max_children, set_max_children};
pub use on_loop::EventLoopExt;
pub use output::{Output, PartialOutput};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};

/// Starts a program with arguments, with this process's standard streams (asyncio's
/// `create_subprocess_exec`). The program is started on another thread, so that the
/// loop goes on.
///
/// The future gives the errors of [`Command::spawn`]. Dropped before it is ready, it
/// leaves no child behind.
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

/// Runs a command line by the shell that `ComSpec` names, `cmd` (asyncio's
/// `create_subprocess_shell`); see [`create_subprocess_exec`].
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
