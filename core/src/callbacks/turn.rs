//! One batch: what was there when it began; and the timer for the rest.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::Driver;
use super::handle::{Entry, Handle};
use super::queue::discard;
use crate::clock::Alarm;
use crate::task::quietly;
use crate::{EventLoop, ExceptionContext};

/// Beyond this room for a batch is given back.
const KEPT: usize = 4096;

/// What a driver needs to run callbacks, batch after batch.
#[derive(Default)]
pub(crate) struct Turn {
    batch: VecDeque<Entry>,
    alarm: Alarm,
}

impl Turn {
    /// Runs one batch: what is there now, not what comes meanwhile; and sets the
    /// timer for what is due later. Called with the loop entered.
    pub(crate) fn run(&mut self, event_loop: &Arc<dyn EventLoop>, driver: Driver) {
        let callbacks = event_loop.state().callbacks();
        if !callbacks.begin_batch(driver, &mut self.batch, || event_loop.time()) {
            return;
        }
        while let Some(entry) = self.batch.pop_front() {
            // Closed by one of them, where that is possible: on a loop that drives
            // itself.
            match event_loop.is_closed() {
                true => discard(&entry),
                false => call(event_loop, entry),
            }
        }
        if self.batch.capacity() > KEPT {
            self.batch = VecDeque::new();
        }
        let left = callbacks.end_batch(driver);
        self.arm(event_loop, left.earliest);
    }

    fn arm(&mut self, event_loop: &Arc<dyn EventLoop>, earliest: Option<Instant>) {
        let Some(earliest) = earliest else { return self.alarm.clear() };
        let waker = Waker::from(event_loop.state().callbacks().clone());
        match self.alarm.set(&**event_loop, earliest, &waker) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => waker.wake(),
            Err(error) => {
                let context = ExceptionContext::new(
                    "a loop without timers can't run `call_later` in time; use a loop that has some",
                );
                event_loop.call_exception_handler(&context.with_error(error));
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Only a panic of the adapter's leaves some.
        self.batch.iter().for_each(discard);
    }
}

fn call(event_loop: &Arc<dyn EventLoop>, entry: Entry) {
    let began = event_loop.get_debug().then(Instant::now);
    let called = catch_unwind(AssertUnwindSafe(|| entry.call()));
    if let Some(began) = began {
        let location = entry.location();
        event_loop
            .state()
            .callbacks()
            .slow()
            .check(began, format_args!("a callback, scheduled at {location},"));
    }
    if let Err(payload) = called {
        let context = ExceptionContext::new("panic in a callback")
            .with_location(entry.location())
            .with_handle(Handle::of(entry))
            .with_panic(payload);
        event_loop.call_exception_handler(&context);
        // Its payload may panic when it is dropped.
        quietly(|| drop(context));
    }
}
