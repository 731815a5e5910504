//! Children of a given loop: asyncio's `loop.subprocess_exec`.

use std::ffi::OsStr;
use std::sync::Arc;

use policy_core::EventLoop;

use super::{Starting, create_subprocess_exec, create_subprocess_shell};
use crate::Within;

/// Starts children on this loop, from a task of it or from anywhere else. (An extension trait,
/// because the contracts know nothing of processes.)
///
/// In place of asyncio's protocol and transport both return a [`Child`](super::Child), with
/// streams.
///
/// ```
/// use policy::prelude::*;
///
/// let event_loop = policy::new_event_loop()?;
/// let child = event_loop.run_until_complete(event_loop.subprocess_exec("true", ["ignored"]))??;
/// assert!(event_loop.run_until_complete(child.wait())??.success());
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub trait EventLoopExt: sealed::Sealed {
    /// Starts a program with arguments, with this process's standard streams
    /// (asyncio's `subprocess_exec`); see
    /// [`create_subprocess_exec`](crate::create_subprocess_exec).
    ///
    /// You may await the future anywhere; the child belongs to this loop. The future returns the
    /// errors of [`Command::spawn`](super::Command::spawn), such as
    /// [`ErrorKind::LoopClosed`](crate::ErrorKind::LoopClosed). If you drop it before it is ready,
    /// no child remains.
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// // No loop runs on this thread: somebody else's `block_on` will do.
    /// let child = futures_lite::future::block_on(event_loop.subprocess_exec("true", [""; 0]))?;
    /// assert!(event_loop.run_until_complete(child.wait())??.success());
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    fn subprocess_exec(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Within<Starting>;

    /// Runs a command line with the shell `/bin/sh` (asyncio's `subprocess_shell`); see
    /// [`create_subprocess_shell`](crate::create_subprocess_shell), and [`quote`](super::quote) for
    /// text that comes from elsewhere. Otherwise like [`subprocess_exec`](Self::subprocess_exec).
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let status = event_loop.run_until_complete(async {
    ///     event_loop.subprocess_shell("exit $((3 + 4))").await?.wait().await
    /// })??;
    /// assert_eq!(status.code(), Some(7));
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    fn subprocess_shell(&self, line: impl AsRef<OsStr>) -> Within<Starting>;
}

impl EventLoopExt for Arc<dyn EventLoop> {
    fn subprocess_exec(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Within<Starting> {
        crate::within(self.clone(), create_subprocess_exec(program, args))
    }

    fn subprocess_shell(&self, line: impl AsRef<OsStr>) -> Within<Starting> {
        crate::within(self.clone(), create_subprocess_shell(line))
    }
}

mod sealed {
    use super::{Arc, EventLoop};

    pub trait Sealed {}
    impl Sealed for Arc<dyn EventLoop> {}
}
