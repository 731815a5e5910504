//! Has a runtime look at its timers and its reactor before a busy task goes on.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use tokio::runtime::Handle;

/// How tokio's tasks are woken; all of them have one table.
static TASKS: OnceLock<&'static RawWakerVTable> = OnceLock::new();

/// Finds out how the tasks of a runtime are woken, by a task that ends at once.
pub(crate) fn learn(handle: &Handle) {
    if TASKS.get().is_none() {
        drop(handle.spawn(poll_fn(|cx| {
            TASKS.get_or_init(|| cx.waker().vtable());
            Poll::Ready(())
        })));
    }
}

/// Wakes the waker of a task of tokio's after the runtime has run others and looked at its
/// reactor, and returns true; returns false if it is somebody else's.
///
/// A task that wakes itself is run again before that: up to 61 times, each time with a new
/// budget. Wakers of others, such as one that unparks a thread which blocks in a task, may
/// be what this very thread waits for, so they must be woken at once.
///
/// ```
/// assert!(!policy_tokio::defer(std::task::Waker::noop()));
/// ```
pub fn defer(waker: &Waker) -> bool {
    if TASKS.get().is_none_or(|table| !std::ptr::eq(*table, waker.vtable())) {
        return false;
    }
    // Its first poll hands the waker over, and does nothing else. Without a runtime on
    // this thread it wakes at once.
    let _yields = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(waker));
    true
}
