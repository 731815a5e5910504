//! The contract of every child watcher.

use std::fmt;
use std::fmt::Debug;
use std::future::Future;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::{Error, EventLoop};

/// Waits for children to exit (asyncio's `AbstractChildWatcher`).
///
/// A watcher reaps only the children that you ask it to watch: it never touches another library's
/// children. All methods may be called from any thread.
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
    /// Waits for `child` to exit, reaps it, and resolves to its exit status.
    ///
    /// Dropping the future stops the wait, not the child; many futures may wait for one child.
    ///
    /// # Errors
    /// Returns [`WatcherInactive`](crate::ErrorKind::WatcherInactive) if the watcher is not ready,
    /// [`WatcherClosed`](crate::ErrorKind::WatcherClosed) if it was closed, and
    /// [`Io`](crate::ErrorKind::Io) if it can't get the descriptor or thread that it waits with.
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error>;

    /// Calls `callback` when the process `pid` has exited. Replaces the previous callback for the
    /// same process.
    ///
    /// # Errors
    /// Returns the errors of [`watch`](Self::watch), [`NotOurChild`](crate::ErrorKind::NotOurChild)
    /// if the process is not a child of this one, and
    /// [`NoSuchProcess`](crate::ErrorKind::NoSuchProcess) if there is no such process.
    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error>;

    /// Removes the callback for the process `pid`. Returns false if there was none.
    fn remove_child_handler(&self, pid: u32) -> bool;

    /// Attaches the watcher to a loop, or detaches it.
    ///
    /// # Errors
    /// Returns [`LoopClosed`](crate::ErrorKind::LoopClosed) for a closed loop, and changes nothing.
    fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error>;

    /// Returns true if the watcher can watch a child now.
    fn is_active(&self) -> bool;

    /// Closes the watcher. Waiting futures return
    /// [`WatcherClosed`](crate::ErrorKind::WatcherClosed). Closing it again does nothing.
    fn close(&self);
}

/// The callback of [`add_child_handler`](ChildWatcher::add_child_handler), called with the pid and
/// asyncio's return code: the exit code, or the negative number of the signal; or with the reason
/// why the status is unknown.
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

/// Identifies a child: by its pid, and by a descriptor that never refers to another process.
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
    /// Identifies a child by its pid alone: correct as long as no other code reaps it.
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

    /// Identifies a child by its pid and its pidfd.
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

    /// Returns the process id.
    ///
    /// ```
    /// assert_eq!(policy_core::ChildId::from_pid(1).pid(), 1);
    /// ```
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the pidfd, if there is one.
    ///
    /// ```
    /// assert!(policy_core::ChildId::from_pid(1).pidfd().is_none());
    /// ```
    #[cfg(unix)]
    pub fn pidfd(&self) -> Option<&Arc<OwnedFd>> {
        self.pidfd.as_ref()
    }

    /// Borrows the pidfd, if there is one.
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

/// A future that resolves to the exit status of a child.
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
    /// Wraps the future with which a watcher waits.
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
