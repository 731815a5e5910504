//! A delay by the clock of whoever polls it, loop or not.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use policy_core::{LoopId, Timer};

use crate::ambient;
use crate::process::background;

/// A point in time that can be awaited, under any loop or none.
pub(in crate::process) struct Delay {
    deadline: Option<Instant>,
    /// The timer, and the loop that it belongs to.
    timer: Option<(LoopId, Pin<Box<Timer>>)>,
}

impl Delay {
    /// A delay that no clock can hold never ends.
    pub(in crate::process) fn new(delay: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(delay), timer: None }
    }

    /// Waits for so long.
    #[cfg_attr(windows, allow(dead_code, reason = "nothing is polled for there"))]
    pub(in crate::process) async fn wait(delay: Duration) {
        let mut delay = Self::new(delay);
        poll_fn(|cx| delay.poll(cx)).await;
    }

    pub(in crate::process) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        let Some(event_loop) = ambient::driven() else {
            self.timer = None;
            background::wake_after(left, cx.waker().clone());
            return Poll::Pending;
        };
        let here = event_loop.state().id();
        if self.timer.as_ref().is_none_or(|(id, _)| *id != here) {
            self.timer = event_loop.timer(deadline).ok().map(|timer| (here, Box::pin(timer)));
        }
        match &mut self.timer {
            Some((_, timer)) => timer.as_mut().poll(cx),
            None => {
                background::wake_after(left, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Waits for `future`, at most for `limit`. `None`: the time was over first.
pub(in crate::process) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut delay = Delay::new(limit);
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => delay.poll(cx).map(|()| None),
    })
    .await
}
