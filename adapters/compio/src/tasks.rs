//! The tasks of a loop, and what wakes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use policy_core::task::Id;
use slab::Slab;

use crate::local;
use crate::shared::Shared;

/// Tasks, of which one at a time is out to be polled.
#[derive(Debug)]
pub(crate) struct Tasks<T> {
    slots: Slab<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    id: Id,
    /// `None` while it is polled.
    task: Option<T>,
}

impl<T> Tasks<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Slab::new() }
    }

    pub(crate) fn insert(&mut self, id: Id, task: T) -> usize {
        self.slots.insert(Slot { id, task: Some(task) })
    }

    /// Takes a task out to poll it; `None` if the slot has another task by now.
    pub(crate) fn take(&mut self, key: usize, id: Id) -> Option<T> {
        self.slots.get_mut(key).filter(|slot| slot.id == id)?.task.take()
    }

    pub(crate) fn put_back(&mut self, key: usize, task: T) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.task = Some(task);
        }
    }

    pub(crate) fn remove(&mut self, key: usize) {
        // Its task is out.
        drop(self.slots.try_remove(key));
    }
}

/// What wakes a task: its place in the loop, without the task.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: Id,
    pub(crate) key: usize,
    /// Whether the task is one of those that stay on their thread.
    pub(crate) is_local: bool,
    /// Set while the node is in a queue.
    scheduled: AtomicBool,
}

impl Node {
    /// Makes the node of a task that is about to be queued for its first poll.
    pub(crate) fn queued(shared: Arc<Shared>, id: Id, key: usize, is_local: bool) -> Arc<Self> {
        Arc::new(Self { shared, id, key, is_local, scheduled: AtomicBool::new(true) })
    }

    /// Says that the node has left its queue: whoever wakes it from here on queues it
    /// again.
    pub(crate) fn left_queue(&self) {
        self.scheduled.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Node {
    fn wake(self: Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            local::schedule(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            local::schedule(self.clone());
        }
    }
}
