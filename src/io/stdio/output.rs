//! Standard output and error, written by blocking jobs.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;
use policy_core::budget;
use policy_core::task::JoinHandle;

use crate::ambient;
use crate::io::backlog::Backlog;

/// Returns the standard output of the process, for writing without blocking the loop.
///
/// A write gives its bytes to a blocking job of the running loop, which writes and flushes them
/// through [`std::io::stdout`]. The write itself returns at once; the next one waits for the job.
/// `flush` waits until all bytes of this handle are written, and returns their error. After an
/// error the handle keeps the bytes that are not written yet, and the next call first tries them
/// again: so a disk that was full for a moment loses nothing, and a disk that stays full returns
/// the error each time. [`policy::run`](crate::run) waits for such jobs before it returns, so
/// nothing is lost without a `flush`; in a program with another `main`, call `flush`.
///
/// Each handle keeps its own order. The writes of several handles are interleaved, but each stays
/// whole.
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
    Stdout(Output::new(|backlog| {
        let mut out = io::stdout().lock();
        backlog.write_out(|bytes| out.write(bytes))?;
        // What std has taken into its buffer, it keeps if this fails.
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
    Stderr(Output::new(|backlog| {
        let mut err = io::stderr().lock();
        backlog.write_out(|bytes| err.write(bytes))
    }))
}

/// A handle to the standard output; see [`stdout`].
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut out: policy::io::Stdout = policy::io::stdout();
/// out.write_all(b"hello\n").await?;
/// out.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stdout(Output);

/// A handle to the standard error; see [`stderr`].
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut err: policy::io::Stderr = policy::io::stderr();
/// err.write_all(b"no such file\n").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stderr(Output);

/// The most that a job is given.
const CHUNK: usize = 64 * 1024;

/// Writes what is left, and brings it on its way.
type WriteOut = fn(&Backlog) -> io::Result<()>;

struct Output {
    write_out: WriteOut,
    backlog: Backlog,
    job: Option<JoinHandle<io::Result<()>>>,
    /// The last job failed, and the next call tries again: also where nothing is left but
    /// what std has in its buffer.
    failed: bool,
}

impl Output {
    fn new(write_out: WriteOut) -> Self {
        Self { write_out, backlog: Backlog::default(), job: None, failed: false }
    }

    /// Waits until all is written. After an error it tries again.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(job) = &mut self.job {
                let done = ready!(Pin::new(job).poll(cx));
                self.job = None;
                let result = match done {
                    Ok(result) => result,
                    Err(error) => Err(crate::io::calls::not_run(error)),
                };
                self.failed = result.is_err();
                return Poll::Ready(result);
            }
            if !self.failed {
                return Poll::Ready(Ok(()));
            }
            self.start()?;
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_done(cx))?;
        let len = self.backlog.accept(bufs, CHUNK);
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        if let Err(error) = self.start() {
            // Refused as a whole: what is accepted is written.
            self.backlog.take();
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(len))
    }

    fn start(&mut self) -> io::Result<()> {
        let (backlog, write_out) = (self.backlog.clone(), self.write_out);
        let job = ambient::event_loop()?.try_spawn_blocking(move || {
            let result = write_out(&backlog);
            backlog.log_if_abandoned("a standard stream", &result);
            result
        })?;
        self.job = Some(job);
        Ok(())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("backlog", &self.backlog)
            .field("is_writing", &self.job.is_some())
            .finish_non_exhaustive()
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
                budget::poll(cx, |cx| self.0.poll_write(cx, &[IoSlice::new(buf)]))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                budget::poll(cx, |cx| self.0.poll_write(cx, bufs))
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
