//! Children that another reaper waits for: `tokio::process`, `async-process`, or your own.
//!
//! Two reapers of one child take the status from each other, so here the other library keeps its
//! child and is the only one that reaps it. We only find out *when* to ask it: by the child's pidfd
//! or on a thread, under any loop, even if no thread drives the reactor on which the owner would
//! wait.

use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;

use policy_core::{Error, ErrorKind};

use super::identity::{ChildOwner, Claim, Outcome, Record, pidfd, returncode};
use super::sys::Whom;
use super::watcher::exit::Watch;

/// A child of another library, which continues to reap it.
///
/// Converted from a `tokio::process::Child` (feature `tokio`), from an `async_process::Child`
/// (feature `async-process`), or from any other [`ChildOwner`]. May be used from any thread and
/// awaited under any loop; a tokio child's runtime need not be driven, and may even be gone. From
/// the conversion on, no watcher of this crate takes the status, not even the [one that reaps
/// everything](crate::FastChildWatcher).
///
/// Take the pipes that you need out of the child before. Dropping this drops the original child,
/// with the effect that its owner documents.
///
/// ```
/// # #[cfg(feature = "async-process")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use policy::process::ForeignChild;
///
/// let child = async_process::Command::new("sh").arg("-c").arg("exit 7").spawn()?;
/// let child = ForeignChild::from(child);
/// let status = policy::run(async { child.wait().await })?;
/// assert_eq!(status.code(), Some(7));
/// assert_eq!(child.returncode(), Some(7));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "async-process"))]
/// # fn main() {}
/// ```
pub struct ForeignChild {
    id: Option<u32>,
    claim: Claim,
}

impl ForeignChild {
    /// Wraps a child whose owner continues to reap it. For tokio's and async-process's children use
    /// `From`.
    pub fn new(mut owner: impl ChildOwner) -> Self {
        let id = owner.id();
        // Before the number is used: while there is something to wait for, it is held.
        let record = match (owner.try_wait(), id) {
            (Ok(None), Some(pid)) => {
                let pidfd = pidfd::open_pidfd(pid).ok().map(Arc::new);
                Record::owned(pid, pidfd, Box::new(owner))
            }
            (Ok(Some(status)), _) => Record::over(0, Outcome::Exited(status)),
            // Neither number nor status.
            (Ok(None), None) => Record::over(0, Outcome::Lost),
            (Err(error), _) => Record::over(0, Outcome::of_error(&error)),
        };
        Self { id, claim: Claim::new(record) }
    }

    /// Returns the process id. Returns `None` if its owner has forgotten it: tokio does when the
    /// child was waited for before the conversion.
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     assert!(child.id().is_some());
    ///     child.kill().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub fn id(&self) -> Option<u32> {
        self.id
    }

    /// Waits until the child has exited and its owner has reaped it. Closes its standard input
    /// first, if it is a pipe that was not taken out.
    ///
    /// Cancel safe. May be repeated, and any number of tasks may wait at once.
    ///
    /// # Errors
    /// Returns [`ErrorKind::StatusLost`] if other code took the status from the owner, and the
    /// kernel does not keep it (before Linux 6.15), and [`ErrorKind::Io`] if no descriptor and no
    /// thread is left to wait with, or the owner fails.
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     child.start_kill()?;
    ///     assert!(!child.wait().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub async fn wait(&self) -> Result<ExitStatus, Error> {
        let record = self.claim.record();
        record.close_stdin();
        match record.outcome() {
            Some(outcome) => outcome.into_result(),
            // Never by a watcher of the policy: one of somebody else's would reap.
            None => Watch::ungated(record.clone())?.await,
        }
    }

    /// Asks the owner for the status, without waiting.
    ///
    /// # Errors
    /// Returns the errors of [`wait`](Self::wait).
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     assert!(child.try_wait()?.is_none());
    ///     child.kill().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        self.claim.record().try_reap().map(Outcome::into_result).transpose()
    }

    /// Returns asyncio's return code, if the status is already known; see
    /// [`Child::returncode`](super::Child::returncode).
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     child.kill().await?;
    ///     assert_eq!(child.returncode(), Some(-9));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub fn returncode(&self) -> Option<i32> {
        match self.claim.record().outcome() {
            Some(Outcome::Exited(status)) => Some(returncode(status)),
            _ => None,
        }
    }

    /// Kills the child and waits until it is gone.
    ///
    /// # Errors
    /// Returns the errors of [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     child.kill().await?;
    ///     assert!(child.try_wait()?.is_some());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub async fn kill(&self) -> Result<(), Error> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Sends SIGKILL, and does not wait.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited already; then it does nothing.
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     child.start_kill()?;
    ///     child.wait().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub fn start_kill(&self) -> Result<(), Error> {
        self.send_signal(libc::SIGKILL)
    }

    /// Sends a signal. 0 only checks that the child exists.
    ///
    /// It does not use the owner: `tokio::process` and `async-process` send signals to a pid, which
    /// may belong to another process by then.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited, [`ErrorKind::InvalidInput`] if
    /// the number is no signal, and [`ErrorKind::Io`] (EPERM) if the child now runs as another
    /// user.
    ///
    /// ```
    /// # #[cfg(feature = "async-process")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use policy::process::ForeignChild;
    ///
    /// let child = async_process::Command::new("sleep").arg("1000").spawn()?;
    /// let child = ForeignChild::from(child);
    /// policy::run(async {
    ///     child.send_signal(15)?;
    ///     child.wait().await?;
    ///     assert_eq!(child.returncode(), Some(-15));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "async-process"))]
    /// # fn main() {}
    /// ```
    pub fn send_signal(&self, signal: i32) -> Result<(), Error> {
        match self.try_wait() {
            Ok(None) => self.claim.record().signal(signal, Whom::One),
            // The number is nobody's, or another's.
            Ok(Some(_)) => Err(ErrorKind::ChildExited.into()),
            Err(error) if error.kind() == ErrorKind::StatusLost => {
                Err(Error::from(ErrorKind::ChildExited).with_source(error))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(feature = "tokio")]
impl From<policy_tokio::Child> for ForeignChild {
    fn from(child: policy_tokio::Child) -> Self {
        Self::new(child)
    }
}

#[cfg(feature = "tokio")]
impl ChildOwner for policy_tokio::Child {
    fn id(&self) -> Option<u32> {
        Self::id(self)
    }

    fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        Self::try_wait(self)
    }

    fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }
}

#[cfg(feature = "async-process")]
impl From<async_process::Child> for ForeignChild {
    fn from(child: async_process::Child) -> Self {
        Self::new(child)
    }
}

#[cfg(feature = "async-process")]
impl ChildOwner for async_process::Child {
    fn id(&self) -> Option<u32> {
        Some(Self::id(self))
    }

    fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.try_status()
    }

    fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }
}

impl Drop for ForeignChild {
    fn drop(&mut self) {
        self.claim.record().release_owner();
    }
}

impl fmt::Debug for ForeignChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignChild")
            .field("id", &self.id)
            .field("outcome", &self.claim.record().outcome())
            .finish_non_exhaustive()
    }
}
