//! A timer of any executor.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A timer of any executor: a future that is ready when its time has come.
///
/// It is a box: a loop makes one for the earliest of its deadlines, and not one for each sleep.
/// Dropping it cancels the timer.
///
/// ```
/// use policy_core::Timer;
/// # use std::task::{Context, Waker};
///
/// let mut timer = std::pin::pin!(Timer::new(async {}));
/// assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// ```
pub struct Timer {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Timer {
    /// Wraps an executor's own timer.
    ///
    /// ```
    /// use policy_core::Timer;
    ///
    /// let _timer = Timer::new(std::future::pending());
    /// ```
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: Box::pin(future) }
    }
}

// SAFETY: `&Timer` gives no access to the future inside: it is polled and dropped by
// `&mut`, and the future is `Send`.
#[allow(unsafe_code, reason = "std's `Exclusive` is not stable")]
unsafe impl Sync for Timer {}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}
