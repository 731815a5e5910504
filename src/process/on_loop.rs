//! Children of a loop that is named: asyncio's `loop.subprocess_exec`.

use std::ffi::OsStr;
use std::sync::Arc;

use policy_core::EventLoop;

use super::{Starting, create_subprocess_exec, create_subprocess_shell};
use crate::Within;

/// Starts children by the loop that is given, wherever that is called: on the loop or
/// outside of any. (An extension, because the contracts know nothing of processes.)
///
/// In place of asyncio's protocol and transport both give a
/// [`Child`](super::Child), with streams.
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
    /// The future may be awaited anywhere; the child belongs to this loop. It gives
    /// the errors of [`Command::spawn`](super::Command::spawn), such as
    /// [`ErrorKind::LoopClosed`](crate::ErrorKind::LoopClosed). Dropped before it is
    /// ready, it leaves no child behind.
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

    /// Runs a command line by the shell `/bin/sh` (asyncio's `subprocess_shell`); see
    /// [`create_subprocess_shell`](crate::create_subprocess_shell), and
    /// [`quote`](super::quote) for what comes from elsewhere. Else as
    /// [`subprocess_exec`](Self::subprocess_exec).
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
