//! Children: programs that are started, written to, read from and waited for.
//!
//! [`Command`] starts a [`Child`], as in std; what may take time is awaited. The
//! children stand on no executor's process support: how they are waited for is the
//! business of a [watcher], and the [default one](watcher::AutoChildWatcher) takes
//! the best way that the kernel offers.
//!
//! | I want to … | call |
//! |---|---|
//! | run a program and have what it writes | [`Command::output`] |
//! | run a program and have how it ended | [`Command::status`] |
//! | give a program its input, and have what it writes | [`Command::input`], [`Child::communicate`] |
//! | talk to a program while it runs | [`Command::spawn`], or [`Command::start`] in code that must not block |
//! | call it as in asyncio | [`create_subprocess_exec`], [`create_subprocess_shell`] |
//! | wait for a child of somebody else's | [`watch`] |
//! | wait for a child that tokio or async-process reaps | [`ForeignChild`] |
//!
//! Nothing is lost: every child ends as its right status or as a typed error, and no
//! zombie stays. A signal reaches the child it is meant for, or nobody.
//!
//! [watcher]: crate::ChildWatcher

mod anchor;
mod background;
mod child;
mod command;
mod delay;
mod exit;
mod hub;
mod identity;
mod input;
mod interop;
mod limit;
mod on_loop;
mod output;
mod pidfd;
mod pipe;
pub(crate) mod probe;
mod shell;
mod sigchld;
mod start;
mod strangers;
mod sync;
mod sys;
mod thieves;
mod threads;
mod tree;
mod wakers;
pub mod watcher;

use std::ffi::OsStr;

pub use std::process::ExitStatus;

pub use child::{Child, Starting, watch};
pub use command::Command;
pub use interop::{ChildOwner, ForeignChild};
pub use limit::{max_children, set_max_children};
pub use on_loop::EventLoopExt;
pub use output::{Output, PartialOutput};
pub use pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use shell::quote;
pub use start::Stdio;

/// Starts a program with arguments, with this process's standard streams (asyncio's
/// `create_subprocess_exec`). The program is started on another thread, so that the
/// loop goes on.
///
/// The future gives the errors of [`Command::spawn`]. Dropped before it is ready, it
/// leaves no child behind.
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

/// Runs a command line by the shell `/bin/sh` (asyncio's `create_subprocess_shell`);
/// see [`create_subprocess_exec`], and [`quote`] for what comes from elsewhere.
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
