//! The executor of one loop.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use async_executor::Executor;
use policy_async_io::MOMENT;
use policy_core::sync::Mutex;
use policy_core::tracker::Tracked;
use policy_core::{Error, ErrorKind};

/// An executor that goes when its loop is closed, while handles to the loop live
/// on: only an executor that is dropped drops the tasks that wait elsewhere.
///
/// The loop has one strong reference, each thread that runs tasks another; who
/// submits a task borrows one for that long. So no submitter waits for another,
/// and the last to let go drops all tasks: one that was submitted while the loop
/// closed is dropped like the rest.
#[derive(Debug)]
pub(crate) struct OwnedExecutor {
    /// `None` once closed.
    strong: Mutex<Option<Arc<Executor<'static>>>>,
    weak: Weak<Executor<'static>>,
}

impl OwnedExecutor {
    pub(crate) fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let weak = Arc::downgrade(&executor);
        Self { strong: Mutex::new(Some(executor)), weak }
    }

    /// Returns the executor, for a thread that is about to run it; `None` once
    /// closed.
    pub(crate) fn get(&self) -> Option<Arc<Executor<'static>>> {
        self.weak.upgrade()
    }

    pub(crate) fn spawn(&self, task: Tracked) -> Result<(), Error> {
        let Some(executor) = self.weak.upgrade() else {
            return Err(ErrorKind::LoopClosed.into());
        };
        // smol's handle would cancel the task when dropped; ours detaches.
        executor.spawn(task).detach();
        Ok(())
    }

    /// Drops the tasks, now if no other thread runs them (`alone`), else when the
    /// last of those stops.
    pub(crate) fn close(&self, alone: bool) {
        let Some(mut executor) = self.take() else { return };
        let began = Instant::now();
        while alone && began.elapsed() < MOMENT {
            // Taken apart and not just dropped: whoever submits right now has
            // another reference, for nanoseconds, and the tasks must be gone when
            // this returns.
            match Arc::try_unwrap(executor) {
                Ok(executor) => return drop(executor),
                Err(shared) => executor = shared,
            }
            thread::yield_now();
        }
    }

    /// Leaves the executor to itself.
    pub(crate) fn forget(&self) {
        // Not even the lock is taken: after a `fork` it may be held for ever.
        if let Some(mut strong) = self.strong.try_lock() {
            std::mem::forget(strong.take());
        }
    }

    fn take(&self) -> Option<Arc<Executor<'static>>> {
        self.strong.lock().take()
    }
}
