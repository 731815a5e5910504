//! A delay by the clock of whoever polls it, loop or not.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use policy_core::Timer;

use super::background;
use crate::ambient;

/// A point in time that can be awaited, under any loop or none.
pub(super) struct Delay {
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Timer>>>,
}

impl Delay {
    /// A delay that no clock can hold never ends.
    pub(super) fn new(delay: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(delay), timer: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        if self.timer.is_none() {
            self.timer = ambient::running()
                .and_then(|event_loop| event_loop.timer(deadline).ok())
                .map(Box::pin);
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => {
                background::wake_after(left, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Waits for `future`, at most for `limit`. `None`: the time was over first.
pub(super) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut delay = Delay::new(limit);
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => delay.poll(cx).map(|()| None),
    })
    .await
}
