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
///
/// ```
/// use policy_core::Interest;
///
/// fn poll_events(interest: Interest) -> i16 {
///     match interest {
///         Interest::Readable => 1, // POLLIN
///         Interest::Writable => 4, // POLLOUT
///     }
/// }
/// assert_eq!(poll_events(Interest::Writable), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Bytes to read, a connection to accept, an end.
    Readable,
    /// Room to write, a connection that is made.
    Writable,
}

/// Waits until descriptors are ready (epoll, kqueue).
///
/// ```
/// # #[cfg(unix)]
/// # fn example(event_loop: &dyn policy_core::EventLoop) -> Result<(), policy_core::Error> {
/// use std::os::fd::OwnedFd;
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
///
/// let (ours, _theirs) = UnixStream::pair().expect("two descriptors");
/// ours.set_nonblocking(true).expect("a socket can be non-blocking");
/// let source = event_loop.selector()?.register(Arc::new(OwnedFd::from(ours)))?;
/// drop(source); // not watched any more
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// # #[cfg(unix)]
/// # mod example {
/// use policy_core::{Interest, Source};
/// use std::future::poll_fn;
/// use std::io::{self, Read};
///
/// /// Waits for bytes, and reads some.
/// async fn read(source: &dyn Source, buffer: &mut [u8]) -> io::Result<usize> {
///     poll_fn(|cx| {
///         source.poll_io(cx, Interest::Readable, &mut |fd| {
///             std::fs::File::from(fd.try_clone_to_owned()?).read(buffer)
///         })
///     })
///     .await
/// }
/// # }
/// ```
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
