//! Pipes: one direction, with or without a name.
//!
//! | I want … | use |
//! |---|---|
//! | a pipe within the process, or to a child | [`pipe`] |
//! | a pipe that has a name (a FIFO) | [`OpenOptions`] |
//! | an end that other code made | [`Sender::from_owned_fd`], [`Receiver::from_owned_fd`] |

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use policy_core::{Error, EventLoop, Interest};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat};

use crate::io::{BorrowedIo, OwnedIo};
use crate::net::socket::Socket;

/// Makes a pipe: the receiver reads the bytes that the sender writes.
///
/// # Errors
/// Returns an error at the limit of open files.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use policy::net::unix::pipe;
///
/// policy::run(async {
///     let (mut sender, mut receiver) = pipe::pipe()?;
///     sender.write_all(b"hello").await?;
///     drop(sender); // the end
///     let mut text = String::new();
///     receiver.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    #[cfg(not(target_vendor = "apple"))]
    let (receiver, sender) = {
        use rustix::pipe::{PipeFlags, pipe_with};

        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?
    };
    #[cfg(target_vendor = "apple")]
    let (receiver, sender) = {
        use rustix::io::{FdFlags, fcntl_setfd};

        // By two calls, as std does it there: the system has none that does both.
        let (receiver, sender) = rustix::pipe::pipe()?;
        fcntl_setfd(&receiver, FdFlags::CLOEXEC)?;
        fcntl_setfd(&sender, FdFlags::CLOEXEC)?;
        (receiver, sender)
    };
    Ok((Sender { end: End::new(sender)? }, Receiver { end: End::new(receiver)? }))
}

/// Options for opening a named pipe.
///
/// ```no_run
/// use policy::net::unix::pipe::OpenOptions;
///
/// # fn example() -> std::io::Result<()> {
/// let receiver = OpenOptions::new().open_receiver("/run/example/requests")?;
/// # drop(receiver);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
}

impl OpenOptions {
    /// Makes options without any option set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to open the end for both directions. The pipe then always has a reader and a
    /// writer: a sender opens although no process reads yet, and a receiver sees no end when its
    /// senders go. Linux supports that; POSIX does not promise it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, both: bool) -> &mut Self {
        self.read_write = both;
        self
    }

    /// Opens the reading end, without waiting for a writer: until one opens the pipe, a read
    /// returns the end.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::InvalidInput`] if the path is not a pipe, or the error of the
    /// system.
    pub fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        Ok(Receiver { end: self.open(path.as_ref(), OFlags::RDONLY)? })
    }

    /// Opens the writing end.
    ///
    /// # Errors
    /// Returns `ENXIO` if no process reads: try again later, or see `read_write`. Returns
    /// [`io::ErrorKind::InvalidInput`] if the path is not a pipe, or the error of the system.
    pub fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        Ok(Sender { end: self.open(path.as_ref(), OFlags::WRONLY)? })
    }

    fn open(&self, path: &Path, access: OFlags) -> io::Result<End> {
        let access = if self.read_write { OFlags::RDWR } else { access };
        // Non-blocking from the beginning: the open itself would wait for the other end.
        let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        End::checked(rustix::fs::open(path, flags, Mode::empty())?, access)
    }
}

/// One end, non-blocking.
struct End {
    socket: Socket,
}

impl End {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = fcntl_getfl(&fd)?;
        if !flags.contains(OFlags::NONBLOCK) {
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self { socket: Socket::nonblocking(fd) })
    }

    /// Takes what somebody else has made.
    fn checked(fd: OwnedFd, access: OFlags) -> io::Result<Self> {
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Fifo {
            return refused("this is no pipe; take a socket or a file by its own type");
        }
        let mode = fcntl_getfl(&fd)? & OFlags::ACCMODE;
        if mode != access && mode != OFlags::RDWR {
            return refused("this is the other end of a pipe; take it as `Sender` or `Receiver`");
        }
        Self::new(fd)
    }

    fn into_fd(self, nonblocking: bool) -> io::Result<OwnedFd> {
        let fd = self.socket.into_io()?;
        if !nonblocking {
            fcntl_setfl(&fd, fcntl_getfl(&fd)? - OFlags::NONBLOCK)?;
        }
        Ok(fd)
    }

    // What `reads` and `writes` call, as sockets have it.

    fn io(&self) -> &OwnedIo {
        self.socket.io()
    }

    fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        self.socket.settle_on(event_loop)
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_io(cx, Interest::Readable, |io| read(&io, buf))
    }

    fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_with(cx, Interest::Readable, |io| {
            let (filled, _) = rustix::io::read(io, &mut *buf)?;
            Ok(filled.len())
        })
    }

    fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_io(cx, Interest::Readable, |io| read_vectored(&io, bufs))
    }

    fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_io(cx, Interest::Writable, |io| Ok(rustix::io::write(io, buf)?))
    }

    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_io(cx, Interest::Writable, |io| write_vectored(&io, bufs))
    }

    /// What is written is in the pipe, and the end comes when it is dropped: a shared
    /// reference can close nothing.
    fn poll_close(&self) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn read(io: &BorrowedIo<'_>, buf: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(io, buf)?)
}

fn read_vectored(io: &BorrowedIo<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let most = bufs.len().min(crate::net::sys::MAX_SLICES);
    Ok(rustix::io::readv(io, bufs.get_mut(..most).unwrap_or_default())?)
}

fn write_vectored(io: &BorrowedIo<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = bufs.get(..crate::net::sys::MAX_SLICES).unwrap_or(bufs);
    Ok(rustix::io::writev(io, bufs)?)
}

/// Makes what both ends have.
macro_rules! end {
    ($type:ident, $path:literal, $access:expr) => {
        impl $type {
            /// Converts an end that other code made, and makes it non-blocking: also for the
            /// programs that share it.
            ///
            /// # Errors
            /// Returns [`io::ErrorKind::InvalidInput`] if the descriptor is not a pipe, or is the
            /// other end. The descriptor is closed then.
            pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
                Ok(Self { end: End::checked(fd, $access)? })
            }

            /// Like [`from_owned_fd`](Self::from_owned_fd), for a std file.
            ///
            /// # Errors
            /// Returns the errors of [`from_owned_fd`](Self::from_owned_fd).
            pub fn from_file(file: File) -> io::Result<Self> {
                Self::from_owned_fd(file.into())
            }

            /// Returns the descriptor in blocking mode, which a child's standard streams need.
            ///
            /// # Errors
            /// Returns an error if the system refuses to make it blocking.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                self.end.into_fd(false)
            }

            /// Returns the descriptor as it is.
            ///
            /// # Errors
            /// Returns an error at the limit of open files, if a reactor still holds the
            /// descriptor.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                self.end.into_fd(true)
            }

            fn socket(&self) -> &End {
                &self.end
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple($path).field(&self.end.socket).finish()
            }
        }

        has_descriptor!($type);
    };
}

/// The writing end of a pipe.
///
/// When it is dropped, the reader reads the end; closing it does not have that effect. When the
/// pipe has no reader any more, a write returns [`io::ErrorKind::BrokenPipe`].
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// policy::run(async {
///     let (mut sender, receiver) = policy::net::unix::pipe::pipe()?;
///     drop(receiver);
///     let refused = sender.write(b"x").await.unwrap_err();
///     assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct Sender {
    end: End,
}

impl Sender {
    /// Waits until there is room, or the reader has gone. Cancel safe.
    ///
    /// # Errors
    /// Returns an error if it can't wait here.
    pub async fn writable(&self) -> io::Result<()> {
        self.end.socket.ready(crate::net::Interests::WRITABLE).await.map(drop)
    }

    /// Writes as many bytes as there is room for, without waiting.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::WouldBlock`] if there is no room.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.end.socket.try_with(|io| Ok(rustix::io::write(io, buf)?))
    }

    /// Like [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    /// Returns the errors of [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.end.socket.try_with(|io| write_vectored(io, bufs))
    }
}

/// The reading end of a pipe. It reads the end when all senders are dropped.
///
/// ```
/// let (sender, receiver) = policy::net::unix::pipe::pipe()?;
/// let nothing = receiver.try_read(&mut [0; 8]).unwrap_err();
/// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
/// drop(sender);
/// assert_eq!(receiver.try_read(&mut [0; 8])?, 0);
/// # std::io::Result::Ok(())
/// ```
pub struct Receiver {
    end: End,
}

impl Receiver {
    /// Waits until there is something to read, or the end. Cancel safe.
    ///
    /// # Errors
    /// Returns an error if it can't wait here.
    pub async fn readable(&self) -> io::Result<()> {
        self.end.socket.ready(crate::net::Interests::READABLE).await.map(drop)
    }

    /// Reads bytes that have arrived, without waiting.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::WouldBlock`] if none have arrived.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.end.socket.try_with(|io| read(io, buf))
    }

    /// Like [`try_read`](Self::try_read), into several buffers.
    ///
    /// # Errors
    /// Returns the errors of [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.end.socket.try_with(|io| read_vectored(io, bufs))
    }
}

end!(Sender, "Sender", OFlags::WRONLY);
end!(Receiver, "Receiver", OFlags::RDONLY);
writes!(Sender, &Sender);
reads!(Receiver, &Receiver);
