//! A call that blocks, away from the loop.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use policy_core::{Error, ErrorKind};

use crate::task::{JoinError, JoinHandle};

/// Runs `f` on a thread where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    Job::start(f)?.await.map_err(not_run)?
}

/// A call that is under way.
#[derive(Debug)]
pub(super) struct Job<T>(JoinHandle<T>);

impl<T: Send + 'static> Job<T> {
    /// # Errors
    /// If there is no loop here, or no thread.
    pub(super) fn start(f: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        Ok(Self(crate::try_spawn_blocking(f)?))
    }

    /// As the future, with the error of the system.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        Poll::Ready(ready!(Pin::new(self).poll(cx)).map_err(not_run))
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The loop was closed before the job began: std's calls don't panic.
fn not_run(error: JoinError) -> io::Error {
    if error.is_forked() {
        return Error::from(ErrorKind::Forked).into();
    }
    io::Error::other(format!("the file was left alone: {error}; keep the loop open"))
}
