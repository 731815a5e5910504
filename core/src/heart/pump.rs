//! The task that runs callbacks on a loop that drives itself, while nobody else does.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::Ready;
use super::callback;
use super::mail::{Driver, Entry};
use crate::sync::{SeqCst, quietly};
use crate::{EventLoop, context, task};

/// Starts the pump that has to be started, if one has to.
pub(crate) fn start(event_loop: &Arc<dyn EventLoop>, pump: Option<Driver>) {
    let Some(driver) = pump else { return };
    let (task, handle) = task::new(Pump {
        driver,
        event_loop: Arc::downgrade(event_loop),
        ready: event_loop.state().ready().clone(),
    });
    // Detached: it ends by itself. If it is refused it is dropped, and knows.
    drop(handle);
    let _refused = event_loop.submit_own(task);
}

struct Pump {
    driver: Driver,
    /// Weak: callbacks that wait keep no loop open, as tasks don't.
    event_loop: Weak<dyn EventLoop>,
    ready: Arc<Ready>,
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(event_loop) = this.event_loop.upgrade() else { return Poll::Ready(()) };
        // A callback is no task, and finds none.
        task::outside(|| {
            context::scope(&event_loop, || {
                if let Some(batch) = this.ready.begin_batch(this.driver) {
                    batch.into_iter().for_each(|entry| callback::call(&event_loop, entry));
                    this.ready.end_batch(this.driver);
                }
            });
        });
        if this.ready.end_pump(this.driver) || !this.ready.register(this.driver, cx.waker().clone())
        {
            return Poll::Ready(());
        }
        if !this.ready.sleeps() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.ready.forget_pump(self.driver);
    }
}

impl Ready {
    /// Takes the callbacks that `pump` has to run now. `None` if there is nothing to do
    /// for it: somebody else drives.
    pub(super) fn begin_batch(&self, pump: Driver) -> Option<VecDeque<callback::Entry>> {
        let mut mail = self.mail.lock();
        if mail.driver != pump {
            return None;
        }
        mail.busy = true;
        self.has_mail.store(false, SeqCst);
        let mut batch = VecDeque::new();
        // What else is there waits for a run: tasks that stay on its thread.
        for entry in mem::take(&mut mail.entries) {
            match entry {
                Entry::Call(call) => batch.push_back(call),
                other => mail.entries.push_back(other),
            }
        }
        Some(batch)
    }

    pub(super) fn end_batch(&self, pump: Driver) {
        let mut mail = self.mail.lock();
        mail.busy = false;
        if mail.driver != pump {
            // A run has begun meanwhile, and left the mail alone.
            self.has_mail.store(true, SeqCst);
            drop(mail);
            self.ring();
        }
    }

    /// Returns true if `pump` may end: it is not the driver any more, or there is
    /// nothing to drive.
    pub(super) fn end_pump(&self, pump: Driver) -> bool {
        let mut mail = self.mail.lock();
        if mail.driver != pump {
            return true;
        }
        if mail.has_calls() {
            return false;
        }
        mail.driver = Driver::Nobody;
        let waker = mail.waker.take();
        drop(mail);
        quietly(|| drop(waker));
        true
    }

    /// Takes a pump that was dropped for what it is. What is left waits for the next
    /// driver.
    pub(super) fn forget_pump(&self, pump: Driver) {
        let mut mail = self.mail.lock();
        if mail.driver == pump {
            mail.driver = Driver::Nobody;
            let waker = mail.waker.take();
            drop(mail);
            quietly(|| drop(waker));
        }
    }
}
