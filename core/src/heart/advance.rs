//! Moving the time of a loop whose clock is paused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Ready;
use super::clock::Status;
use crate::{Error, LoopState};

/// How many turns others have before time goes on, where nobody knows that they are
/// idle.
const TURNS: u32 = 64;

/// A future that moves the time of a loop: see
/// [`advance`](crate::EventLoop#method.advance).
///
/// If you drop it, time stays where it is by then.
#[must_use = "time does not move unless this is awaited"]
pub struct Advance {
    ready: Arc<Ready>,
    by: Duration,
    /// From the first poll on.
    asked: Option<Arc<Status>>,
    turns: u32,
}

impl Advance {
    pub(crate) fn new(state: &LoopState, by: Duration) -> Self {
        Self { ready: state.ready().clone(), by, asked: None, turns: 0 }
    }
}

impl Future for Advance {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let clock = this.ready.clock();
        let status = match &this.asked {
            Some(status) => status,
            None => {
                let status = clock.ask(this.by, cx.waker())?;
                this.ready.nudge();
                this.asked.insert(status)
            }
        };
        if let Some(result) = status.get() {
            return Poll::Ready(result);
        }
        // On a loop whose tasks the run polls, the run goes on when they are idle.
        if clock.is_next(status, cx.waker()) && !this.ready.is_turning() {
            this.turns += 1;
            if this.turns % TURNS == 0 {
                this.ready.advance();
            }
            cx.waker().wake_by_ref();
        }
        // Done meanwhile, before the waker was left.
        status.get().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Advance {
    fn drop(&mut self) {
        if let Some(status) = self.asked.take() {
            self.ready.clock().withdraw(&status);
            self.ready.nudge();
        }
    }
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advance").field("by", &self.by).finish_non_exhaustive()
    }
}
