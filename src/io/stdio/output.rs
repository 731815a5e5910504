//! Standard output and error, written by blocking jobs.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;
use policy_core::task::JoinHandle;
use policy_core::{Error, ErrorKind};

use crate::ambient;

/// Returns the standard output of the process, to be written without blocking the loop.
///
/// A write hands its bytes to a blocking job of the loop that runs, which writes and
/// flushes them by way of [`std::io::stdout`], and is ready at once; the next waits for
/// it. `flush` waits until all of this handle is written, and gives the error there was.
/// [`policy::run`](crate::run) waits for such jobs in the end, so nothing is lost
/// without a `flush`; in a program with another `main`, flush.
///
/// Each handle keeps its own order. What several write is mixed by whole writes.
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// policy::run(async {
///     let mut out = policy::io::stdout();
///     out.write_all(b"hello\n").await?;
///     out.flush().await
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(Output::new(|bytes| {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }))
}

/// Returns the standard error of the process; see [`stdout`].
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// policy::run(async { policy::io::stderr().write_all(b"careful\n").await })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn stderr() -> Stderr {
    Stderr(Output::new(|bytes| io::stderr().lock().write_all(bytes)))
}

/// A handle of [`stdout`].
///
/// ```
/// let out: policy::io::Stdout = policy::io::stdout();
/// # let _out = out;
/// ```
#[derive(Debug)]
pub struct Stdout(Output);

/// A handle of [`stderr`].
///
/// ```
/// let err: policy::io::Stderr = policy::io::stderr();
/// # let _err = err;
/// ```
#[derive(Debug)]
pub struct Stderr(Output);

/// The most that a job is given.
const CHUNK: usize = 64 * 1024;

type WriteAll = fn(&[u8]) -> io::Result<()>;

struct Output {
    write_all: WriteAll,
    /// The bytes of the last job, for the room that they have.
    room: Vec<u8>,
    job: Option<JoinHandle<(Vec<u8>, io::Result<()>)>>,
}

impl Output {
    fn new(write_all: WriteAll) -> Self {
        Self { write_all, room: Vec::new(), job: None }
    }

    /// Waits until the job is done, if there is one.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(job) = &mut self.job else { return Poll::Ready(Ok(())) };
        let done = ready!(Pin::new(job).poll(cx));
        self.job = None;
        Poll::Ready(match done {
            Ok((room, result)) => {
                self.room = room;
                result
            }
            Err(error) if error.is_cancelled() => Err(Error::from(ErrorKind::LoopClosed).into()),
            Err(error) => Err(io::Error::other(error)),
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_done(cx))?;
        let mut bytes = std::mem::take(&mut self.room);
        bytes.clear();
        for buf in bufs {
            let left = CHUNK - bytes.len();
            bytes.extend_from_slice(buf.get(..left).unwrap_or(buf));
        }
        let len = bytes.len();
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        let write_all = self.write_all;
        let job = ambient::event_loop().and_then(|event_loop| {
            event_loop.try_spawn_blocking(move || {
                let result = write_all(&bytes);
                (bytes, result)
            })
        });
        self.job = Some(job?);
        Poll::Ready(Ok(len))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("is_writing", &self.job.is_some()).finish_non_exhaustive()
    }
}

macro_rules! writes_out {
    ($($type:ident),+) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, bufs)
            }

            fn poll_flush(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_done(cx)
            }

            /// Flushes: the stream is the process's, and stays open.
            fn poll_close(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_done(cx)
            }
        }

        bridge_write!($type);
    )+};
}

writes_out!(Stdout, Stderr);
