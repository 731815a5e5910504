//! Limits on how long to wait.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Instant, Sleep, sleep, sleep_until};

/// Awaits `future` for at most `duration` (asyncio's `wait_for`).
///
/// When the time runs out, this returns [`Elapsed`], and the future is dropped with it. If it is
/// ready when the time runs out, its output wins. A future that is always busy does not delay the
/// timeout, as long as what it awaits spends its budget, see
/// [`consume_budget`](crate::task::consume_budget). Cancel safe if `future` is.
///
/// # Panics
/// Panics where [`sleep`] panics, if `future` is not ready at its first poll.
///
/// ```
/// use policy::time::{timeout, Duration};
///
/// policy::run(async {
///     assert_eq!(timeout(Duration::from_secs(60), async { 1 }).await, Ok(1));
///     let never = std::future::pending::<()>();
///     assert!(timeout(Duration::from_millis(1), never).await.is_err());
/// });
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep(duration) }
}

/// Awaits `future` until `deadline` at the latest; see [`timeout`].
///
/// # Panics
/// Panics where [`timeout`] panics.
///
/// ```
/// use policy::time::{timeout_at, Instant};
///
/// policy::run(async {
///     let never = std::future::pending::<()>();
///     assert!(timeout_at(Instant::now(), never).await.is_err());
/// });
/// ```
pub fn timeout_at<F: IntoFuture>(
    deadline: impl Into<Instant>,
    future: F,
) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// ```
    /// policy::run(async {
    ///     use policy::time::{Duration, Timeout, timeout};
    ///
    ///     let wait: Timeout<_> = timeout(Duration::from_secs(60), std::future::ready(1));
    ///     assert_eq!(wait.await, Ok(1));
    /// });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// Returns the future, so that you can await it again.
    ///
    /// ```
    /// policy::run(async {
    ///     use policy::time::{Duration, timeout};
    ///
    ///     let wait = timeout(Duration::ZERO, std::future::ready(1));
    ///     assert_eq!(wait.into_inner().await, 1);
    /// });
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll_unbudgeted(cx).map(|()| Err(Elapsed(())))
    }
}

/// The error of [`timeout`]: the time ran out first.
///
/// ```
/// use std::io;
///
/// # policy::run(async {
/// # let elapsed = policy::time::timeout(std::time::Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
/// assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time allowed is over; allow more")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
