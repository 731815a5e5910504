//! A timer of any executor, without a box.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use stackfuture::StackFuture;

/// Room for tokio's `Sleep` (112 bytes) and what an adapter keeps beside it.
const ROOM: usize = 128;

/// A timer of any executor: a future that is ready when its time has come.
///
/// It is stored in place, without an allocation, if it needs at most 128 bytes. Dropping it cancels
/// the timer.
///
/// ```
/// use policy_core::Timer;
/// # use std::task::{Context, Waker};
///
/// let mut timer = std::pin::pin!(Timer::new(async {}));
/// assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// ```
pub struct Timer {
    future: StackFuture<'static, (), ROOM>,
}

impl Timer {
    /// Wraps an executor's own timer.
    ///
    /// ```
    /// use policy_core::Timer;
    ///
    /// // Large futures go into a box.
    /// let room = [0_u8; 1024];
    /// let _timer = Timer::new(async move { drop(room) });
    /// ```
    pub fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: StackFuture::from_or_box(future) }
    }
}

// SAFETY: `&Timer` gives no access to the future inside: it is polled and dropped by
// `&mut`, and the future is `Send`.
#[allow(unsafe_code, reason = "std's `Exclusive` is not stable")]
unsafe impl Sync for Timer {}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        project(self).poll(cx)
    }
}

#[allow(unsafe_code, reason = "a pin projection to the only field")]
fn project(timer: Pin<&mut Timer>) -> Pin<&mut StackFuture<'static, (), ROOM>> {
    // SAFETY: the field is pinned whenever the timer is: `Timer` has no `Drop`, is
    // not packed, is `Unpin` only if its field is, and never moves it.
    unsafe { timer.map_unchecked_mut(|timer| &mut timer.future) }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}
