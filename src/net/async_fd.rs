//! Waiting for your own descriptors.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use policy_core::{Error, EventLoop};

use super::Settle;
use super::ready::{Interests, Ready};
use super::socket::Socket;

/// Waits for a descriptor of your own, on any loop: an inotify instance, a timerfd, a socket of a C
/// library, a tun device.
///
/// The descriptor must be non-blocking if your operations on it could block. `AsyncFd` waits on a
/// duplicate, so that no number can be closed under the reactor; you keep the value itself, and
/// [`get_ref`](Self::get_ref) lends it. Like a socket, it belongs to the loop that runs when it
/// first has to wait.
///
/// tokio remembers readiness, and you must clear it with
/// [`clear_ready`](AsyncFdReadyGuard::clear_ready) when an operation would block: if you forget it,
/// the task spins; if you do it too early, it waits for ever. Here each wait asks the system, so
/// neither can happen: the guard exists for code that moves over from tokio.
///
/// ```
/// use policy::net::AsyncFd;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// policy::run(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let ours = AsyncFd::new(ours)?;
///     theirs.write_all(b"hello")?;
///     let mut buf = [0; 5];
///     loop {
///         let mut guard = ours.readable().await?;
///         match guard.try_io(|fd| fd.get_ref().read(&mut buf)) {
///             Ok(read) => break assert_eq!(read?, 5),
///             Err(_would_block) => continue,
///         }
///     }
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct AsyncFd<T: AsFd> {
    // In this order: nobody waits any more when the caller's is closed.
    socket: Socket,
    inner: T,
}

impl<T: AsFd> AsyncFd<T> {
    /// Wraps a descriptor. The system decides which kinds it can wait for: a regular file is always
    /// ready, and for a descriptor that epoll does not support, the first wait that would have to
    /// wait returns an error.
    ///
    /// # Errors
    /// Returns an error at the limit of open files, because it duplicates the descriptor. The value
    /// is dropped then; pass a reference to keep it.
    ///
    /// ```
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let lent = policy::net::AsyncFd::new(&ours)?;
    /// # drop(lent);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(inner: T) -> io::Result<Self> {
        let duplicate = inner.as_fd().try_clone_to_owned()?;
        Ok(Self { socket: Socket::nonblocking(duplicate), inner })
    }

    /// Returns a reference to the value.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns a mutable reference to the value. If you give it another descriptor, `AsyncFd` still
    /// waits for the old one.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the value.
    ///
    /// ```
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let ours = policy::net::AsyncFd::new(ours)?.into_inner();
    /// # drop(ours);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Waits until the descriptor is ready for one of `interests`. Cancel safe.
    ///
    /// # Errors
    /// Returns an error with a [`policy::Error`](crate::Error) inside if it can't wait here, or the
    /// error of the system, such as `EPERM` for a descriptor that epoll does not support.
    ///
    /// ```
    /// use policy::net::{AsyncFd, Interests};
    ///
    /// policy::run(async {
    ///     let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    ///     let ours = AsyncFd::new(ours)?;
    ///     let guard = ours.ready(Interests::READABLE | Interests::WRITABLE).await?;
    ///     assert!(guard.ready().is_writable());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn ready(
        &self,
        interests: impl Into<Interests>,
    ) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let ready = self.socket.ready(interests.into()).await?;
        Ok(AsyncFdReadyGuard { fd: self, ready })
    }

    /// Waits until a read would not block; see [`ready`](Self::ready).
    ///
    /// # Errors
    /// Returns the errors of [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interests::READABLE).await
    }

    /// Waits until a write would not block; see [`ready`](Self::ready).
    ///
    /// # Errors
    /// Returns the errors of [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interests::WRITABLE).await
    }

    /// Polls until a read would not block. Any number of tasks may poll; each is woken.
    ///
    /// # Errors
    /// Returns the errors of [`ready`](Self::ready).
    pub fn poll_read_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        self.poll_ready(cx, Interests::READABLE)
    }

    /// Polls until a write would not block. Any number of tasks may poll; each is woken.
    ///
    /// # Errors
    /// Returns the errors of [`ready`](Self::ready).
    pub fn poll_write_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        self.poll_ready(cx, Interests::WRITABLE)
    }

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interests: Interests,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        let ready = ready!(self.socket.poll_ready(cx, interests))?;
        Poll::Ready(Ok(AsyncFdReadyGuard { fd: self, ready }))
    }

    /// Calls `op` whenever the descriptor may be ready for one of `interests`, until `op` returns
    /// anything but [`WouldBlock`](io::ErrorKind::WouldBlock). Cancel safe, if `op` has no effect
    /// when it returns that.
    ///
    /// # Errors
    /// Returns the errors of `op` and of [`ready`](Self::ready).
    ///
    /// ```
    /// use policy::net::{AsyncFd, Interests};
    /// use std::io::Write;
    ///
    /// policy::run(async {
    ///     let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    ///     ours.set_nonblocking(true)?;
    ///     let ours = AsyncFd::new(ours)?;
    ///     let written = ours.async_io(Interests::WRITABLE, |mut stream| stream.write(b"hello"));
    ///     assert_eq!(written.await?, 5);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn async_io<R>(
        &self,
        interests: impl Into<Interests>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let interests = interests.into();
        let inner = &self.inner;
        std::future::poll_fn(|cx| self.socket.poll_either(cx, interests, |_| op(inner))).await
    }
}

impl<T: AsFd> super::settle::sealed::Sealed for AsyncFd<T> {}

impl<T: AsFd> Settle for AsyncFd<T> {
    fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        self.socket.settle_on(event_loop)
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Proves that an [`AsyncFd`] was ready.
#[derive(Debug)]
#[must_use = "do what it is ready for"]
pub struct AsyncFdReadyGuard<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    ready: Ready,
}

impl<'a, T: AsFd> AsyncFdReadyGuard<'a, T> {
    /// Returns what the descriptor was ready for.
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// Returns a reference to the [`AsyncFd`].
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Returns a reference to the value.
    pub fn get_inner(&self) -> &'a T {
        self.fd.get_ref()
    }

    /// Marks it as not ready any more. You need not call this: the next wait asks the system.
    pub fn clear_ready(&mut self) {
        self.ready = Ready::default();
    }

    /// Marks it as still ready. You need not call this: the next wait asks the system.
    pub fn retain_ready(&mut self) {}

    /// Calls `op`, the operation that the descriptor is ready for, once.
    ///
    /// # Errors
    /// Returns [`TryIoError`] if `op` returns [`WouldBlock`](io::ErrorKind::WouldBlock): then wait
    /// again. Every other result of `op` is inside `Ok`.
    pub fn try_io<R>(
        &mut self,
        op: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match op(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }
}

/// The operation would block: wait again. See [`AsyncFdReadyGuard::try_io`].
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor is not ready any more; wait for it again")
    }
}

impl std::error::Error for TryIoError {}
