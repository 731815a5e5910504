//! A terminal of a child's own: the side that this process has.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use policy_core::Interest;
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};

use super::pipe::{ChildStdin, ChildStdout, Pipe, PollAppend, reads_pipe};
use crate::io::bridge::PollRead;
use crate::process::identity::terminal;

/// This process's side of the terminal that a child runs in. The child reads what you write here
/// as if it were typed, and you read what the child writes. See
/// [`Command::pty`](crate::process::Command::pty).
///
/// Reading ends when no process has the terminal open any more. To end the child's input, write
/// `"\x04"` (Ctrl-D) at the beginning of a line. To read and write in two tasks, split it with
/// `futures_lite::io::split`.
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # fn main() -> Result<(), policy::Error> {
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use policy::process::Command;
///
/// policy::run(async {
///     let mut child = Command::shell("read name; echo hello $name").pty().spawn()?;
///     let mut pty = child.pty.take().expect("it has one");
///     pty.write_all(b"world\n").await.expect("the terminal takes it");
///     let mut said = String::new();
///     pty.read_to_string(&mut said).await.expect("text");
///     // What is typed is echoed.
///     assert_eq!(said, "world\r\nhello world\r\n");
///     child.wait().await?;
///     Ok(())
/// })
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Pty {
    pipe: Pipe,
}

impl Pty {
    /// Opens a terminal. Returns our side, and the child's.
    pub(in crate::process) fn open() -> io::Result<(OwnedFd, OwnedFd)> {
        let ours = openpt(FLAGS)?;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = other_side(&ours)?;
        // Until somebody says how large it is: what programs take for granted.
        terminal::set_size(ours.as_fd(), 24, 80)?;
        Ok((ours, theirs))
    }

    pub(in crate::process) fn new(ours: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Pipe::new(ours)? })
    }

    /// Returns the size of the terminal: rows and columns.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        terminal::size(self.as_fd())
    }

    /// Sets the size of the terminal, and notifies the programs in its foreground (SIGWINCH).
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        terminal::set_size(self.as_fd(), rows, columns)
    }

    /// Takes the two directions apart.
    pub(in crate::process) fn ends(&self) -> io::Result<(ChildStdin, ChildStdout)> {
        let end = || self.as_fd().try_clone_to_owned();
        Ok((ChildStdin::new(end()?)?, ChildStdout::new(end()?)?))
    }
}

/// Adds what a program takes for the end of its input: Ctrl-D, a second time if the line is
/// not at its beginning.
pub(in crate::process) fn typed(mut input: Vec<u8>) -> Vec<u8> {
    const END: u8 = 4;
    if input.last().is_some_and(|&last| last != b'\n') {
        input.push(END);
    }
    input.push(END);
    input
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY);

/// By the descriptor, so that it is right in every mount namespace.
#[cfg(target_os = "linux")]
fn other_side(ours: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::pty::ioctl_tiocgptpeer(ours, FLAGS)?)
}

#[cfg(not(target_os = "linux"))]
fn other_side(ours: &OwnedFd) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};

    let name = rustix::pty::ptsname(ours, Vec::new())?;
    Ok(open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}

/// What the system says where nobody has the other side any more.
pub(in crate::process) fn is_end(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO)
}

fn end(polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    polled.map(|read| read.or_else(|error| if is_end(&error) { Ok(0) } else { Err(error) }))
}

impl AsyncWrite for Pty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let op = &mut |fd: BorrowedFd<'_>| Ok(rustix::io::write(fd, buf)?);
        self.pipe.poll_io(cx, Interest::Writable, op)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The terminal is closed when this is dropped.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

reads_pipe!(Pty, end);
bridge_write!(Pty);
