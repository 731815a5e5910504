//! Descriptors of one's own.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use super::ready::{Interests, Ready};
use super::socket::Socket;

/// A descriptor of one's own, which any loop waits for: an inotify instance, a timerfd, a
/// socket of a C library, a tun device.
///
/// The descriptor has to be non-blocking, if what is done with it would block. `AsyncFd`
/// waits on a duplicate, so that no number can be closed under the reactor; the value itself
/// stays the caller's, and [`get_ref`](Self::get_ref) lends it. As sockets do, it belongs
/// to the loop that runs when it has to be waited for first.
///
/// tokio's readiness is a memory, which [`clear_ready`](AsyncFdReadyGuard::clear_ready) has to
/// empty when an operation would block; who forgets it spins, who does it too early waits
/// for ever. Here each wait asks the system, so both are impossible: the guard is there
/// because code that moves in has it.
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
    /// Wraps a descriptor. What kinds there are decides the system: a regular file is always
    /// ready, and what epoll does not know is an error of the first wait that would have to
    /// wait.
    ///
    /// # Errors
    /// At the limit of open files: it is duplicated. The value is dropped then; lend a
    /// reference to keep it.
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

    /// Lends the value.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Lends the value. Giving it another descriptor does not change what is waited for.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives the value back.
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

    /// Waits until it is ready for one of `interests`. Cancel safe.
    ///
    /// # Errors
    /// If it can't be waited for here: a [`policy::Error`](crate::Error) inside. What the
    /// system says, such as `EPERM` of a descriptor that epoll does not know.
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

    /// Waits until a read would not wait; see [`ready`](Self::ready).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interests::READABLE).await
    }

    /// Waits until a write would not wait; see [`ready`](Self::ready).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interests::WRITABLE).await
    }

    /// Polls until a read would not wait. Any number of tasks may; each is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn poll_read_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        self.poll_ready(cx, Interests::READABLE)
    }

    /// Polls until a write would not wait. Any number of tasks may; each is woken.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
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

    /// Calls `op` whenever it may be ready for one of `interests`, until it gives anything
    /// but [`WouldBlock`](io::ErrorKind::WouldBlock). Cancel safe, if `op` does nothing when
    /// it gives that.
    ///
    /// # Errors
    /// Those of `op`, and of [`ready`](Self::ready).
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

/// That an [`AsyncFd`] was ready.
#[derive(Debug)]
#[must_use = "do what it is ready for"]
pub struct AsyncFdReadyGuard<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    ready: Ready,
}

impl<'a, T: AsFd> AsyncFdReadyGuard<'a, T> {
    /// Returns what it was ready for.
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// Lends the [`AsyncFd`].
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Lends the value.
    pub fn get_inner(&self) -> &'a T {
        self.fd.get_ref()
    }

    /// Says that it is not ready any more. Nothing has to be said: the next wait asks the
    /// system.
    pub fn clear_ready(&mut self) {
        self.ready = Ready::default();
    }

    /// Says that it is still ready. Nothing has to be said: the next wait asks the system.
    pub fn retain_ready(&mut self) {}

    /// Calls `op` once, which does what the descriptor is ready for.
    ///
    /// # Errors
    /// [`TryIoError`], if `op` gives [`WouldBlock`](io::ErrorKind::WouldBlock): then wait
    /// again. Every other outcome of `op` is inside `Ok`.
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

/// It would block: wait again. See [`AsyncFdReadyGuard::try_io`].
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor is not ready any more; wait for it again")
    }
}

impl std::error::Error for TryIoError {}
