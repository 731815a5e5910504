//! The promise that every child watcher keeps.

mod provided;
mod slot;

use std::fmt;
use std::fmt::Debug;
use std::future::Future;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) use provided::make_provided;
pub use provided::provide_child_watcher;
pub use slot::{IntoWatcher, WatcherSlot};

use crate::{Error, EventLoop};

/// Waits for children to exit (asyncio's `AbstractChildWatcher`).
///
/// A watcher reaps only the children that it was asked to watch: another library's
/// children are never touched. All methods may be called from any thread.
///
/// ```
/// use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture};
/// use std::sync::Arc;
///
/// /// Watches nothing.
/// #[derive(Debug)]
/// struct Blind;
///
/// impl ChildWatcher for Blind {
///     fn watch(&self, _child: &ChildId) -> Result<ExitFuture, Error> {
///         Err(ErrorKind::Unsupported.into())
///     }
///     fn add_child_handler(&self, _pid: u32, _callback: ChildCallback) -> Result<(), Error> {
///         Err(ErrorKind::Unsupported.into())
///     }
///     fn remove_child_handler(&self, _pid: u32) -> bool {
///         false
///     }
///     fn attach_loop(&self, _event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
///         Ok(())
///     }
///     fn is_active(&self) -> bool {
///         false
///     }
///     fn close(&self) {}
/// }
///
/// let watcher: Arc<dyn ChildWatcher> = Arc::new(Blind);
/// assert!(!watcher.is_active());
/// ```
pub trait ChildWatcher: Debug + Send + Sync + 'static {
    /// Resolves with the exit status of `child`, and reaps it.
    ///
    /// Dropping the future stops the waiting, not the child; many futures may wait
    /// for one child.
    ///
    /// # Errors
    /// [`WatcherInactive`](crate::ErrorKind::WatcherInactive),
    /// [`WatcherClosed`](crate::ErrorKind::WatcherClosed), or
    /// [`Io`](crate::ErrorKind::Io) if what the watcher waits with can't be had.
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error>;

    /// Calls `callback` when the process `pid` has exited. Another callback for the
    /// same process replaces the former.
    ///
    /// # Errors
    /// As [`watch`](Self::watch); [`NotOurChild`](crate::ErrorKind::NotOurChild),
    /// [`NoSuchProcess`](crate::ErrorKind::NoSuchProcess).
    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error>;

    /// Removes the callback for the process `pid`. Returns false if there was none.
    fn remove_child_handler(&self, pid: u32) -> bool;

    /// Attaches the watcher to a loop, or detaches it.
    ///
    /// # Errors
    /// [`LoopClosed`](crate::ErrorKind::LoopClosed), with nothing changed.
    fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error>;

    /// Returns true if a child can be watched now.
    fn is_active(&self) -> bool;

    /// Closes the watcher. Futures that wait end with
    /// [`WatcherClosed`](crate::ErrorKind::WatcherClosed). Closing twice does
    /// nothing the second time.
    fn close(&self);
}

/// What is called with a pid and a return code: asyncio's, so the exit code, or the
/// negative number of the signal; or the reason why the status is not known.
///
/// ```
/// let callback: policy_core::ChildCallback = Box::new(|pid, code| match code {
///     Ok(code) if code < 0 => println!("{pid} was killed by signal {}", -code),
///     Ok(code) => println!("{pid} exited with {code}"),
///     Err(error) => println!("{pid}: {error}"),
/// });
/// callback(4711, Ok(-9));
/// ```
pub type ChildCallback = Box<dyn FnOnce(u32, Result<i32, Error>) + Send>;

/// A child, by identity: its pid, and a descriptor that no other process can come
/// to mean.
///
/// ```
/// let child = policy_core::ChildId::from_pid(4711);
/// assert_eq!(child.pid(), 4711);
/// ```
#[derive(Clone)]
pub struct ChildId {
    pid: u32,
    #[cfg(unix)]
    pidfd: Option<Arc<OwnedFd>>,
}

impl ChildId {
    /// Names a child by its number alone: right while nobody else reaps it.
    ///
    /// ```
    /// assert_eq!(policy_core::ChildId::from_pid(4711).pid(), 4711);
    /// ```
    pub fn from_pid(pid: u32) -> Self {
        Self {
            pid,
            #[cfg(unix)]
            pidfd: None,
        }
    }

    /// Names a child by its number and its pidfd.
    ///
    /// ```
    /// use policy_core::ChildId;
    /// use std::os::fd::OwnedFd;
    /// use std::sync::Arc;
    ///
    /// # let pidfd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    /// // `pidfd` is of `pidfd_open`, or of `clone3` with CLONE_PIDFD.
    /// let child = ChildId::with_pidfd(4711, Arc::new(pidfd));
    /// assert!(child.pidfd().is_some());
    /// ```
    #[cfg(unix)]
    pub fn with_pidfd(pid: u32, pidfd: Arc<OwnedFd>) -> Self {
        Self { pid, pidfd: Some(pidfd) }
    }

    /// Returns the number of the process.
    ///
    /// ```
    /// assert_eq!(policy_core::ChildId::from_pid(1).pid(), 1);
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the pidfd, where there is one.
    ///
    /// ```
    /// assert!(policy_core::ChildId::from_pid(1).pidfd().is_none());
    /// ```
    #[cfg(unix)]
    pub fn pidfd(&self) -> Option<&Arc<OwnedFd>> {
        self.pidfd.as_ref()
    }

    /// Borrows the pidfd, where there is one.
    ///
    /// ```
    /// assert!(policy_core::ChildId::from_pid(1).as_pidfd().is_none());
    /// ```
    #[cfg(unix)]
    pub fn as_pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(|pidfd| pidfd.as_fd())
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildId({})", self.pid)
    }
}

/// A future of the exit status of a child.
///
/// ```
/// # fn example(watcher: &dyn policy_core::ChildWatcher) -> Result<(), policy_core::Error> {
/// use policy_core::ChildId;
///
/// let exit = watcher.watch(&ChildId::from_pid(4711))?;
/// let _task = async move {
///     match exit.await {
///         Ok(status) => println!("{status}"),
///         Err(error) => println!("{error}"),
///     }
/// };
/// # Ok(())
/// # }
/// ```
pub struct ExitFuture {
    future: Pin<Box<dyn Future<Output = Result<ExitStatus, Error>> + Send>>,
}

impl ExitFuture {
    /// Wraps what a watcher waits with.
    ///
    /// ```
    /// use policy_core::{ErrorKind, ExitFuture};
    ///
    /// let _exit = ExitFuture::new(async { Err(ErrorKind::WatcherClosed.into()) });
    /// ```
    pub fn new(future: impl Future<Output = Result<ExitStatus, Error>> + Send + 'static) -> Self {
        Self { future: Box::pin(future) }
    }
}

impl Future for ExitFuture {
    type Output = Result<ExitStatus, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl Debug for ExitFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitFuture").finish_non_exhaustive()
    }
}
