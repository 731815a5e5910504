//! Tasks on a runtime that does not know their loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use policy_core::tracker::Tracked;
use policy_core::{EventLoop, context};

/// A task that finds its loop, whichever thread of a lent runtime polls or drops it.
pub(crate) struct Scoped {
    task: Option<Tracked>,
    event_loop: Arc<dyn EventLoop>,
}

impl Scoped {
    pub(crate) fn new(task: Tracked, event_loop: Arc<dyn EventLoop>) -> Self {
        Self { task: Some(task), event_loop }
    }
}

impl Future for Scoped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { task, event_loop } = &mut *self;
        let Some(task) = task else { return Poll::Ready(()) };
        context::scope(event_loop, || Pin::new(task).poll(cx))
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        let task = self.task.take();
        context::scope(&self.event_loop, || drop(task));
    }
}
