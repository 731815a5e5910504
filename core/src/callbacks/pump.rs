//! The task that runs callbacks on a loop that drives itself, while nobody else does.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::queue::WORK;
use super::{Callbacks, Driver, Turn};
use crate::{EventLoop, context, task};

/// Starts the pump that has to be started, if one has to.
pub(crate) fn start(event_loop: &Arc<dyn EventLoop>, pump: Option<Driver>) {
    let Some(driver) = pump else { return };
    let (task, handle) = task::new(Pump {
        driver,
        event_loop: Arc::downgrade(event_loop),
        callbacks: event_loop.state().callbacks().clone(),
        turn: Turn::default(),
    });
    // Detached: it ends by itself. If it is refused it is dropped, and knows.
    drop(handle);
    let _refused = event_loop.submit(task);
}

struct Pump {
    driver: Driver,
    /// Weak: callbacks that wait keep no loop open, as tasks don't.
    event_loop: Weak<dyn EventLoop>,
    callbacks: Arc<Callbacks>,
    turn: Turn,
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(event_loop) = this.event_loop.upgrade() else { return Poll::Ready(()) };
        // A callback is no task, and finds none.
        task::outside(|| {
            context::scope(&event_loop, || this.turn.run(&event_loop, this.driver));
        });
        if this.callbacks.end_pump(this.driver)
            || !this.callbacks.register(this.driver, cx.waker().clone())
        {
            return Poll::Ready(());
        }
        if this.callbacks.signals() & WORK != 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.callbacks.forget_pump(self.driver);
    }
}
