//! All that a child writes, and its status.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::{Error, ErrorKind};

use super::delay::Delay;
use super::pipe::PollAppend;

/// What a child wrote, and how it ended.
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
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output, if that was a pipe.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, if that was a pipe.
    pub stderr: Vec<u8>,
    /// True if the child had exited and somebody else, who has its pipes, might have
    /// written more: see [`Command::wait_delay`](super::Command::wait_delay).
    pub truncated: bool,
}

impl From<Output> for std::process::Output {
    fn from(output: Output) -> Self {
        Self { status: output.status, stdout: output.stdout, stderr: output.stderr }
    }
}

/// Reads both pipes to their ends while the child is waited for.
pub(super) async fn collect<O: PollAppend, E: PollAppend>(
    stdout: Option<O>,
    stderr: Option<E>,
    exit: impl Future<Output = Result<ExitStatus, Error>>,
    wait_delay: Option<Duration>,
    max_output: Option<usize>,
) -> Result<Output, Error> {
    let limit = max_output.unwrap_or(usize::MAX);
    let mut stdout = Reader { pipe: stdout, read: Vec::new() };
    let mut stderr = Reader { pipe: stderr, read: Vec::new() };
    let mut exit = pin!(exit);
    let mut status = None;
    let mut delay = None;
    poll_fn(|cx| {
        if status.is_none() {
            match exit.as_mut().poll(cx) {
                Poll::Ready(Ok(exited)) => status = Some(exited),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        let ended = [stdout.poll(cx)?, stderr.poll(cx)?];
        if stdout.read.len().saturating_add(stderr.read.len()) > limit {
            return Poll::Ready(Err(too_much(limit)));
        }
        let Some(status) = status else { return Poll::Pending };
        let truncated = if ended == [true, true] {
            false
        } else {
            // Somebody else holds a pipe: a grandchild that lives on.
            let Some(wait_delay) = wait_delay else { return Poll::Pending };
            let delay = delay.get_or_insert_with(|| Delay::new(wait_delay));
            if delay.poll(cx).is_pending() {
                return Poll::Pending;
            }
            true
        };
        Poll::Ready(Ok(Output {
            status,
            stdout: std::mem::take(&mut stdout.read),
            stderr: std::mem::take(&mut stderr.read),
            truncated,
        }))
    })
    .await
}

struct Reader<P> {
    /// `None` at the end.
    pipe: Option<P>,
    read: Vec<u8>,
}

/// How much is read before the loop gets a turn.
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

fn unreadable(error: io::Error) -> Error {
    Error::io("can't read what the child writes; see the source of this error", error)
}

fn too_much(limit: usize) -> Error {
    Error::new(
        ErrorKind::LimitReached,
        format!(
            "the child wrote more than {limit} bytes; raise `max_output`, or read its pipes piece by piece"
        ),
    )
}
