//! The promise of a loop that waits for readiness.

use std::fmt::Debug;
use std::io;
#[cfg(unix)]
use std::os::fd::{BorrowedFd, OwnedFd};
#[cfg(unix)]
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(unix)]
use crate::Error;

/// What a source is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Bytes to read, a connection to accept, an end.
    Readable,
    /// Room to write, a connection that is made.
    Writable,
}

/// Waits until descriptors are ready (epoll, kqueue).
pub trait Selector: Send + Sync {
    /// Registers a descriptor with the loop's reactor, until the source is dropped.
    ///
    /// The descriptor must be non-blocking if operations on it are tried; it stays
    /// open while the source lives. May be called from any thread.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): EPERM for a regular file, ENOSPC
    /// and EMFILE at the system's limits.
    #[cfg(unix)]
    fn register(&self, fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error>;
}

/// A descriptor that is registered with a reactor.
pub trait Source: Debug + Send + Sync {
    /// Tries `op` whenever the descriptor may be ready, until it gives anything but
    /// [`io::ErrorKind::WouldBlock`]. Allocates nothing.
    ///
    /// One task at a time waits per interest; a later waker replaces the earlier.
    #[cfg(unix)]
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;
}
