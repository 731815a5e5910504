//! Homed tasks for the models of `core/tests/loom.rs`, which are another crate.
#![allow(missing_docs, missing_debug_implementations, reason = "not there without `cfg(loom)`")]

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use super::scheduled::{Home, Scheduled};
use super::{Homed, JoinHandle};

/// A home: a ready queue.
pub trait Queue: Send + Sync {
    fn push(&self, entry: Queued) -> Result<(), Queued>;
}

/// A task in its queue.
pub struct Queued(Scheduled);

impl Queued {
    /// Takes the task off the queue; returns its key, unless it is complete.
    pub fn take(self) -> Option<u32> {
        self.0.take()
    }
}

/// What the home keeps of a task.
pub struct Runner(Homed);

impl Runner {
    pub fn poll(&mut self) -> Poll<()> {
        self.0.poll()
    }

    pub fn keep_at(&self, key: u32) {
        self.0.keep_at(key);
    }

    pub fn schedule(&self) {
        self.0.schedule();
    }
}

struct Rented<Q>(Arc<Q>);

impl<Q: Queue> Home for Rented<Q> {
    fn push(&self, cell: Scheduled) -> Result<(), Scheduled> {
        self.0.push(Queued(cell)).map_err(|refused| refused.0)
    }
}

pub fn homed<F>(future: F, home: &Arc<impl Queue + 'static>) -> (Runner, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, handle) = Homed::new(future, Arc::new(Rented(home.clone())));
    (Runner(task), handle)
}
