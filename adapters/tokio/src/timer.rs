//! Timers that outlive their runtime without a panic.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;
use tokio::task::unconstrained;
use tokio::time::Sleep;

pin_project! {
    /// tokio's timer, and whether it may still be polled: once the runtime shuts
    /// down, a poll would panic.
    pub(crate) struct LoopTimer {
        #[pin]
        sleep: Sleep,
        gone: Arc<AtomicBool>,
    }
}

impl LoopTimer {
    pub(crate) fn new(sleep: Sleep, gone: Arc<AtomicBool>) -> Self {
        Self { sleep, gone }
    }
}

impl Future for LoopTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let deadline = this.sleep.deadline().into_std();
        if this.gone.load(Ordering::Acquire) {
            return without_runtime(deadline);
        }
        // Polled on another executor, the runtime may go between that look and this
        // poll; there is no lock that tokio would share.
        // Outside of tokio's budget: a timeout whose future has used that up must see
        // its time come. Ours is spent by whoever waits.
        let sleep = pin!(unconstrained(this.sleep));
        catch_unwind(AssertUnwindSafe(|| sleep.poll(cx)))
            .unwrap_or_else(|_| without_runtime(deadline))
    }
}

/// A runtime that goes wakes its timers once, early, and never again: whoever waits
/// sees then that the loop is closed, and takes a timer of another.
fn without_runtime(deadline: Instant) -> Poll<()> {
    if Instant::now() < deadline { Poll::Pending } else { Poll::Ready(()) }
}
