//! The task that fires the timers of a loop with threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::turn::Alarm;
use super::{Ready, pump};
use crate::{EventLoop, task};

struct Timekeeper {
    /// Weak: timers that wait keep no loop open.
    event_loop: Weak<dyn EventLoop>,
    ready: Arc<Ready>,
    alarm: Alarm,
}

/// Starts the timekeeper of a loop, if it has none.
pub(super) fn start(ready: &Arc<Ready>) {
    if !ready.schedule().needs_timekeeper() {
        return;
    }
    let Some(event_loop) = ready.home() else { return ready.schedule().timekeeper_ended() };
    let timekeeper = Timekeeper {
        event_loop: Arc::downgrade(&event_loop),
        ready: ready.clone(),
        alarm: Alarm::default(),
    };
    let (task, handle) = task::new(timekeeper);
    // Detached: it ends with the loop. If it is refused it is dropped, and says so.
    drop(handle);
    let _refused = event_loop.submit_own(task);
}

impl Future for Timekeeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(event_loop) = this.event_loop.upgrade() else { return Poll::Ready(()) };
        if event_loop.is_closed() {
            return Poll::Ready(());
        }
        this.ready.fire();
        pump::start(&event_loop, this.ready.start_pump());
        let next = this.ready.timekeeper_sleeps(cx.waker());
        this.alarm.set(&event_loop, next, cx);
        Poll::Pending
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        self.ready.schedule().timekeeper_ended();
    }
}
