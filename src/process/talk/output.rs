//! The output of a child, and its status.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_io::AsyncWrite;
use policy_core::{Error, ErrorKind};

use super::pipe::{ChildStderr, ChildStdin, ChildStdout, PollAppend};
use crate::process::background::delay::Delay;
use crate::process::terms::Bounds;
use crate::process::usage::Usage;

/// The output of a child, and its exit status.
///
/// ```
/// use policy::process::Command;
///
/// let output = policy::run(async { Command::new("echo").arg("hello").output().await })?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// The bytes from its standard output, if that was a pipe.
    pub stdout: Vec<u8>,
    /// The bytes from its standard error, if that was a pipe.
    pub stderr: Vec<u8>,
    /// True if the child had exited and another process, which still held its pipes, might have
    /// written more: see [`Command::wait_delay`](crate::process::Command::wait_delay).
    pub truncated: bool,
    /// True if the child was killed at its time limit, so that this is only the output until then:
    /// see [`Command::timeout`](crate::process::Command::timeout).
    pub timed_out: bool,
    pub(in crate::process) usage: Option<Usage>,
}

impl Output {
    /// Returns what the child has used; see [`Child::usage`](crate::process::Child::usage).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let output = policy::run(async { Command::new("true").output().await })?;
    /// # #[cfg(target_os = "linux")]
    /// assert!(output.usage().expect("nobody else has reaped it").max_memory > 0);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

impl From<Output> for std::process::Output {
    fn from(output: Output) -> Self {
        Self { status: output.status, stdout: output.stdout, stderr: output.stderr }
    }
}

/// The output of a child whose rest could not be collected: the source of the error, so that no
/// byte that was read is lost.
///
/// ```
/// use policy::process::{Command, PartialOutput};
///
/// policy::run(async {
///     let error = Command::shell("yes | head -c 100000").max_output(1000).output().await.unwrap_err();
///     assert_eq!(error.kind(), policy::ErrorKind::LimitReached);
///     let read = PartialOutput::of(&error).expect("it comes with the error");
///     assert!(read.stdout.starts_with(b"y\ny\n"));
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialOutput {
    /// The bytes from its standard output, if that was a pipe.
    pub stdout: Vec<u8>,
    /// The bytes from its standard error, if that was a pipe.
    pub stderr: Vec<u8>,
}

impl PartialOutput {
    /// Returns the partial output in an error of [`Command::output`](crate::process::Command::output) or
    /// [`Child::communicate`](crate::process::Child::communicate), if there is any.
    pub fn of(error: &Error) -> Option<&Self> {
        error.source().and_then(<dyn StdError>::downcast_ref)
    }
}

impl fmt::Display for PartialOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (self.stdout.len(), self.stderr.len());
        write!(f, "{stdout} bytes of standard output and {stderr} of standard error were read")
    }
}

impl fmt::Debug for PartialOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for PartialOutput {}

/// What is left to write to a child, and what was read of it. It stays with the child when
/// the future that carries it is dropped, so that the next one goes on.
#[derive(Default)]
pub(in crate::process) struct Talk {
    stdin: Option<ChildStdin>,
    input: Vec<u8>,
    written: usize,
    stdout: Reader<ChildStdout>,
    stderr: Reader<ChildStderr>,
}

impl Talk {
    /// Takes the pipes over that are there.
    pub(in crate::process) fn take_over(
        &mut self,
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
    ) {
        self.stdin = stdin.or_else(|| self.stdin.take());
        self.stdout.pipe = stdout.or_else(|| self.stdout.pipe.take());
        self.stderr.pipe = stderr.or_else(|| self.stderr.pipe.take());
    }

    /// Adds to what is written to the child.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no pipe to write it to.
    pub(in crate::process) fn add_input(&mut self, input: Vec<u8>) -> Result<(), Error> {
        if self.stdin.is_none() && !input.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the child's standard input is not a pipe of ours, or was closed; set `stdin(Stdio::piped())`, and leave it in the `Child`",
            ));
        }
        self.input.extend_from_slice(&input);
        Ok(())
    }

    /// Ends the child's input.
    pub(in crate::process) fn shut(&self) {
        if let Some(stdin) = &self.stdin {
            stdin.shut();
        }
    }

    /// Writes what is to be written, reads both pipes to their ends, and waits for the
    /// exit. `kill` is called when the time is over.
    pub(in crate::process) async fn carry(
        &mut self,
        exit: impl Future<Output = Result<ExitStatus, Error>>,
        bounds: Bounds,
        kill: impl Fn() -> Result<(), Error>,
    ) -> Result<Output, Error> {
        let max_output = bounds.max_output.unwrap_or(usize::MAX);
        let mut exit = pin!(exit);
        let mut exited = None;
        let mut wait_delay = None;
        let mut deadline =
            bounds.deadline.map(|at| Delay::new(at.saturating_duration_since(Instant::now())));
        let mut timed_out = false;
        poll_fn(|cx| {
            if exited.is_none() {
                if let Poll::Ready(status) = exit.as_mut().poll(cx) {
                    exited = Some(status);
                }
            }
            let ended = match self.poll(cx) {
                Ok(ended) => ended,
                Err(error) => return Poll::Ready(Err(error)),
            };
            if self.stdout.read.len().saturating_add(self.stderr.read.len()) > max_output {
                return Poll::Ready(Err(self.too_much(max_output)));
            }
            if exited.is_none() && deadline.as_mut().is_some_and(|at| at.poll(cx).is_ready()) {
                deadline = None;
                timed_out = true;
                match kill() {
                    // It may have exited just now.
                    Err(error) if error.kind() != ErrorKind::ChildExited => {
                        return Poll::Ready(Err(error));
                    }
                    _ => {}
                }
            }
            if exited.is_none() {
                return Poll::Pending;
            }
            // Somebody else may hold a pipe: a grandchild that lives on. Nobody waits for
            // that one when the time is over.
            if !ended && !timed_out {
                let Some(limit) = bounds.wait_delay else { return Poll::Pending };
                if wait_delay.get_or_insert_with(|| Delay::new(limit)).poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            let read = self.take_read();
            Poll::Ready(match exited.take() {
                Some(Ok(status)) => Ok(Output {
                    status,
                    stdout: read.stdout,
                    stderr: read.stderr,
                    truncated: !ended,
                    timed_out,
                    usage: None,
                }),
                // Its own source, an error of the system, says more than what was read.
                Some(Err(error)) if error.source().is_some() => Err(error),
                Some(Err(error)) => Err(error.with_source(read)),
                None => Err(ErrorKind::StatusLost.into()),
            })
        })
        .await
    }

    /// Returns true when all was read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        self.poll_input(cx)?;
        let ended = [self.stdout.poll(cx)?, self.stderr.poll(cx)?];
        Ok(ended == [true, true])
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let mut turn = 0;
        while let Some(stdin) = &mut self.stdin {
            let left = self.input.get(self.written..).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            match Pin::new(stdin).poll_write(cx, left) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(more)) => {
                    self.written += more;
                    turn += more;
                }
                Poll::Ready(Err(error)) if is_unread(&error) => break,
                Poll::Ready(Err(error)) => return Err(unwritable(error)),
            }
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Ok(());
            }
        }
        // All is written, or the child reads no more: as asyncio, that is no error.
        self.stdin = None;
        self.input = Vec::new();
        self.written = 0;
        Ok(())
    }

    fn take_read(&mut self) -> PartialOutput {
        PartialOutput {
            stdout: std::mem::take(&mut self.stdout.read),
            stderr: std::mem::take(&mut self.stderr.read),
        }
    }

    fn too_much(&mut self, limit: usize) -> Error {
        Error::new(
            ErrorKind::LimitReached,
            format!(
                "the child wrote more than {limit} bytes, which `PartialOutput::of` takes out of this error; raise `max_output`, or read its pipes piece by piece"
            ),
        )
        .with_source(self.take_read())
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk")
            .field("unwritten", &self.input.len().saturating_sub(self.written))
            .field("read", &[self.stdout.read.len(), self.stderr.read.len()])
            .finish_non_exhaustive()
    }
}

struct Reader<P> {
    /// `None` at the end.
    pipe: Option<P>,
    read: Vec<u8>,
}

impl<P> Default for Reader<P> {
    fn default() -> Self {
        Self { pipe: None, read: Vec::new() }
    }
}

/// How much is carried in one direction before the loop gets a turn.
const TURN: usize = 1 << 20;

impl<P: PollAppend> Reader<P> {
    /// Returns true at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut turn = 0;
        while let Some(pipe) = &mut self.pipe {
            // A pipe holds 64 KiB. Doubling keeps large outputs linear.
            if self.read.capacity() - self.read.len() < 32 * 1024 {
                self.read.reserve(64 * 1024);
            }
            match pipe.poll_append(cx, &mut self.read) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => self.pipe = None,
                Poll::Ready(Err(error)) if is_end(&error) => self.pipe = None,
                Poll::Ready(Ok(more)) => turn += more,
                Poll::Ready(Err(error)) => return Err(unreadable(error)),
            }
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Nobody has the terminal any more that this is the other side of.
#[cfg(unix)]
fn is_end(error: &io::Error) -> bool {
    super::pty::is_end(error)
}

#[cfg(not(unix))]
fn is_end(_: &io::Error) -> bool {
    false
}

/// The child reads no more.
fn is_unread(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn unwritable(error: io::Error) -> Error {
    Error::io("can't write what the child reads; see the source of this error", error)
}

fn unreadable(error: io::Error) -> Error {
    Error::io("can't read what the child writes; see the source of this error", error)
}
