//! The pipes to a child, awaited by whichever loop polls them.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use policy_core::sync::Mutex;
use policy_core::{Interest, budget};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::stdio::Stdio;
use crate::io::bridge::PollRead;
use crate::process::background::rover::Rover;

/// Our end of a pipe.
pub(in crate::process) struct Pipe {
    pub(in crate::process) rover: Rover,
}

impl Pipe {
    pub(in crate::process) fn new(fd: OwnedFd) -> io::Result<Self> {
        // Our end only: the child's is an open file of its own, and programs are
        // not made for reading EAGAIN from their standard streams.
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self { rover: Rover::new(Arc::new(fd)) })
    }

    pub(in crate::process) fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| self.rover.poll_io(cx, interest, op))
            .map(|result| result.unwrap_or_else(|error| Err(error.into())))
    }

    /// Gives the descriptor back as std has it: blocking.
    fn into_fd(self) -> io::Result<OwnedFd> {
        // A reactor may still hold it for a moment.
        let fd = Arc::try_unwrap(self.rover.into_fd()).or_else(|shared| shared.try_clone())?;
        fcntl_setfl(&fd, fcntl_getfl(&fd)? - OFlags::NONBLOCK)?;
        Ok(fd)
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rover.fmt(f)
    }
}

/// The writing end of a child's standard input.
///
/// When you drop or close it, the child reads the end of its input. If the child reads no more, a
/// write returns [`io::ErrorKind::BrokenPipe`]. [`Child::wait`](crate::process::Child::wait) closes it.
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use policy::process::{Command, Stdio};
///
/// policy::run(async {
///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
///     let mut stdin = child.stdin.take().expect("it is piped");
///     stdin.write_all(b"hello").await.expect("cat reads");
///     drop(stdin);
///     assert_eq!(child.wait_with_output().await?.stdout, b"hello");
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildStdin {
    // A lock, so that `Child::wait`, which many may call at once, can close it;
    // whoever writes has `&mut` and never locks.
    pipe: Mutex<Option<Pipe>>,
}

impl ChildStdin {
    pub(in crate::process) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Mutex::new(Some(Pipe::new(fd)?)) })
    }

    /// Ends the child's input.
    pub(in crate::process) fn shut(&self) {
        drop(self.pipe.lock().take());
    }

    fn pipe(&mut self) -> io::Result<&mut Pipe> {
        self.pipe.get_mut().as_mut().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the child's stdin was closed; take it out of `Child` before `wait`",
            )
        })
    }

    /// Converts the pipe into a [`Stdio`] that another command can write to.
    ///
    /// # Errors
    /// Returns an error if the pipe was closed.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        let pipe = self.pipe.into_inner();
        Ok(pipe.ok_or(io::ErrorKind::BrokenPipe)?.into_fd()?.into())
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let op = &mut |fd: BorrowedFd<'_>| Ok(rustix::io::write(fd, buf)?);
        match self.pipe() {
            Ok(pipe) => pipe.poll_io(cx, Interest::Writable, op),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let op = &mut |fd: BorrowedFd<'_>| Ok(rustix::io::writev(fd, bufs)?);
        match self.pipe() {
            Ok(pipe) => pipe.poll_io(cx, Interest::Writable, op),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is written is in the pipe.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.pipe.get_mut() = None;
        Poll::Ready(Ok(()))
    }
}

bridge_write!(ChildStdin);

/// Makes what reads from a field `pipe`; `end` is for what each operation returns.
macro_rules! reads_pipe {
    ($name:ident, $end:path) => {
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let op = &mut |fd: BorrowedFd<'_>| Ok(rustix::io::read(fd, &mut *buf)?);
                $end(self.pipe.poll_io(cx, Interest::Readable, op))
            }

            fn poll_read_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let op = &mut |fd: BorrowedFd<'_>| Ok(rustix::io::readv(fd, bufs)?);
                $end(self.pipe.poll_io(cx, Interest::Readable, op))
            }
        }

        impl PollRead for $name {
            fn poll_read_uninit(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut [MaybeUninit<u8>],
            ) -> Poll<io::Result<usize>> {
                let op = &mut |fd: BorrowedFd<'_>| {
                    let (read, _left) = rustix::io::read(fd, &mut *buf)?;
                    Ok(read.len())
                };
                $end(self.pipe.poll_io(cx, Interest::Readable, op))
            }
        }

        bridge_read!($name);

        impl PollAppend for $name {
            fn poll_append(
                &mut self,
                cx: &mut Context<'_>,
                into: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                let op = &mut |fd: BorrowedFd<'_>| {
                    Ok(rustix::io::read(fd, rustix::buffer::spare_capacity(into))?)
                };
                $end(self.pipe.poll_io(cx, Interest::Readable, op))
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.pipe.rover.fd().as_fd()
            }
        }
    };
}

pub(super) use reads_pipe;

macro_rules! reading_end {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            pipe: Pipe,
        }

        impl $name {
            pub(in crate::process) fn new(fd: OwnedFd) -> io::Result<Self> {
                Ok(Self { pipe: Pipe::new(fd)? })
            }

            /// Converts the pipe into a [`Stdio`] that another command can read from.
            ///
            /// # Errors
            /// Returns an error if the descriptor can't be made blocking again.
            pub fn into_stdio(self) -> io::Result<Stdio> {
                Ok(self.pipe.into_fd()?.into())
            }
        }

        reads_pipe!($name, std::convert::identity);
    };
}

/// Reading into the spare room of a vector, which need not be filled first.
pub(in crate::process) trait PollAppend {
    fn poll_append(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>>;
}

reading_end! {
    /// The reading end of a child's standard output.
    ///
    /// The child's output stays readable after the child has exited.
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use policy::process::{Command, Stdio};
    ///
    /// policy::run(async {
    ///     let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    ///     child.wait().await?;
    ///     let mut text = String::new();
    ///     child.stdout.take().expect("it is piped").read_to_string(&mut text).await.expect("text");
    ///     assert_eq!(text, "hello\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    ChildStdout
}

reading_end! {
    /// The reading end of a child's standard error; see [`ChildStdout`].
    ChildStderr
}
