//! The contract of a loop that waits for readiness.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Error;
use crate::os::{self, BorrowedIo, OwnedIo};

/// The direction that a task waits for.
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
    /// There are bytes to read, a connection to accept, or an end.
    Readable,
    /// There is room to write, or a connection is established.
    Writable,
}

/// Waits until descriptors are ready (epoll, kqueue), or sockets on Windows (AFD).
///
/// An adapter implements it; users call [`SelectorHandle`](crate::SelectorHandle).
///
/// ```
/// use policy_core::os::OwnedIo;
/// use policy_core::{Error, ErrorKind, Selector, Source};
/// use std::sync::Arc;
///
/// /// A reactor that is full.
/// struct Full;
///
/// impl Selector for Full {
///     fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
///         drop(io);
///         Err(ErrorKind::LimitReached.into())
///     }
/// }
/// # let _full = Full;
/// ```
pub trait Selector: Send + Sync {
    /// Registers a descriptor with the loop's reactor, until the source is dropped.
    ///
    /// The descriptor must be non-blocking if the operations that are tried on it could block; it
    /// stays open while the source lives. May be called from any thread. A reactor may refuse a
    /// descriptor that is registered already, with EEXIST.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Io`](crate::ErrorKind::Io) with EPERM for a regular file, and with
    /// ENOSPC or EMFILE at the system's limits.
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error>;
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
    /// Tries `op` at once, and whenever the descriptor may be ready, until it returns anything but
    /// [`io::ErrorKind::WouldBlock`]. Does not allocate. An executor with a budget may make a task
    /// that has used up its share wait for its next turn.
    ///
    /// One task at a time may wait per interest; a later waker replaces the earlier.
    ///
    /// Unsafe code must not rely on what this returns: any crate can implement it, and return
    /// something that `op` did not. [`SharedSource::poll_io`](crate::SharedSource::poll_io) keeps `op`'s own result.
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// Waits until the descriptor is ready, and tries nothing: for what stays ready, like the pidfd
    /// of a process that has exited.
    ///
    /// Returns at once if it is ready already, and wakes the task when it becomes so. May be
    /// ready too early, so the caller looks for itself; if there is nothing, it waits by
    /// [`poll_io`](Self::poll_io). Wakers are kept as there.
    ///
    /// The provided method asks the system. A reactor that remembers what it was told can answer
    /// without.
    ///
    /// # Errors
    /// Returns the errors of the reactor.
    ///
    /// ```
    /// use policy_core::{Interest, Source};
    /// use std::future::poll_fn;
    /// use std::io;
    ///
    /// /// Waits until the process of a pidfd has exited.
    /// async fn exited(pidfd: &dyn Source) -> io::Result<()> {
    ///     poll_fn(|cx| pidfd.poll_ready(cx, Interest::Readable)).await
    /// }
    /// # let _exited = exited;
    /// ```
    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        self.poll_io(cx, interest, &mut |io| os::is_ready(io, interest)).map_ok(drop)
    }
}
