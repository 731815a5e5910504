//! Tasks on a runtime that does not know their loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use policy_core::tracker::Tracked;
use policy_core::{EventLoop, context};

/// A task that finds its loop, whichever thread of a lent runtime polls or drops it.
pub(crate) struct Scoped {
    task: Option<Tracked>,
    /// Weak: a task that waits for ever does not keep its loop open, as on loops with
    /// runtimes of their own.
    event_loop: Weak<dyn EventLoop>,
}

impl Scoped {
    pub(crate) fn new(task: Tracked, event_loop: Weak<dyn EventLoop>) -> Self {
        Self { task: Some(task), event_loop }
    }
}

impl Future for Scoped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { task, event_loop } = &mut *self;
        let Some(task) = task else { return Poll::Ready(()) };
        // Without its loop the task is over: dropping it cancels it.
        let Some(event_loop) = event_loop.upgrade() else { return Poll::Ready(()) };
        context::scope(&event_loop, || Pin::new(task).poll(cx))
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        let task = self.task.take();
        match self.event_loop.upgrade() {
            Some(event_loop) => context::scope(&event_loop, || drop(task)),
            None => drop(task),
        }
    }
}
