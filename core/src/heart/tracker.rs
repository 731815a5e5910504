//! Tracks the tasks of a loop whose executor is shared.
//!
//! An executor that belongs to its loop drops its tasks when the loop closes. An executor that is
//! shared with others (async-std's, or an existing tokio runtime) can't list the tasks of *this*
//! loop: such an adapter tracks them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;

use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::task::{self, AbortHandle, Id, Task};

/// Knows the tasks that are alive. Takes a lock when a task begins and another when it ends, one of
/// eight, so only adapters that need it should use it.
///
/// ```
/// use policy_core::{task, tracker::Tracker};
/// use std::time::Duration;
///
/// let tracker = Tracker::default();
/// let (task, handle) = task::new(std::future::pending::<()>());
/// let tracked = tracker.track(task).unwrap();
/// assert_eq!(tracker.len(), 1);
/// drop(tracked);
/// assert_eq!(tracker.abort_all(Duration::ZERO), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    shared: Arc<Shared>,
}

const SHARDS: usize = 8;

#[derive(Debug, Default)]
struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    ended: Condvar,
    /// Guards the wait for [`ended`](Self::ended), and nothing else.
    waiting: Mutex<()>,
}

#[derive(Debug, Default)]
struct Shard {
    closed: bool,
    alive: Slab<AbortHandle>,
}

impl Tracker {
    /// Wraps a task, and tracks it while it lives. Returns it unchanged once
    /// [`abort_all`](Self::abort_all) was called.
    ///
    /// # Errors
    /// Returns the task itself once `abort_all` was called.
    ///
    /// ```
    /// use policy_core::{task, tracker::Tracker};
    ///
    /// let tracker = Tracker::default();
    /// let (task, _handle) = task::new(async {});
    /// let tracked = tracker.track(task).unwrap(); // an executor runs this one
    /// drop(tracked);
    /// tracker.abort_all(std::time::Duration::ZERO);
    /// let (late, _handle) = task::new(async {});
    /// assert!(tracker.track(late).is_err());
    /// ```
    pub fn track(&self, task: Task) -> Result<Tracked, Task> {
        let id = task.id();
        let mut shard = self.shared.shard(id);
        if shard.closed {
            drop(shard);
            return Err(task);
        }
        let place = shard.alive.insert(task.abort_handle());
        drop(shard);
        Ok(Tracked { task: Some(task), id, place, shared: self.shared.clone() })
    }

    /// Returns the number of tasks that are alive.
    ///
    /// ```
    /// use policy_core::{task, tracker::Tracker};
    ///
    /// let tracker = Tracker::default();
    /// let (task, _handle) = task::new(async {});
    /// let _tracked = tracker.track(task);
    /// assert_eq!(tracker.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.shards.iter().map(|shard| shard.lock().alive.len()).sum()
    }

    /// Returns true if no task is alive.
    ///
    /// ```
    /// use policy_core::{task, tracker::Tracker};
    ///
    /// let tracker = Tracker::default();
    /// let (task, _handle) = task::new(async {});
    /// drop(tracker.track(task));
    /// assert!(tracker.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Aborts every task, takes no more, and blocks this thread until all have ended, for at most
    /// `limit`. Returns the number of tasks that are left.
    ///
    /// If one of the tasks calls it, it does not wait: that task can't end meanwhile.
    ///
    /// ```
    /// use policy_core::{task, tracker::Tracker};
    ///
    /// let tracker = Tracker::default();
    /// let (task, _handle) = task::new(async {});
    /// let _stays = tracker.track(task);
    /// assert_eq!(tracker.abort_all(std::time::Duration::ZERO), 1); // it is never polled
    /// ```
    pub fn abort_all(&self, limit: Duration) -> usize {
        for shard in &self.shared.shards {
            let aborts: Vec<_> = {
                let mut shard = shard.lock();
                shard.closed = true;
                shard.alive.iter().map(|(_, abort)| abort.clone()).collect()
            };
            // Outside the lock: waking a task may run it, and it may end here.
            aborts.iter().for_each(AbortHandle::abort);
        }
        let limit = if self.is_inside() { Duration::ZERO } else { limit };
        let waiting = self.shared.waiting.lock();
        let _waiting = self.shared.ended.wait_for(waiting, limit, |_| !self.is_empty());
        self.len()
    }
}

impl Tracker {
    /// Returns true if the task that runs on this thread is one of these.
    fn is_inside(&self) -> bool {
        task::try_id()
            .is_some_and(|id| self.shared.shard(id).alive.iter().any(|(_, abort)| abort.id() == id))
    }
}

impl Shared {
    #[allow(clippy::indexing_slicing, reason = "a remainder is less than its divisor")]
    fn shard(&self, id: Id) -> MutexGuard<'_, Shard> {
        self.shards[id.as_usize() % SHARDS].lock()
    }
}

/// A [`Task`] that a [`Tracker`] tracks.
///
/// ```
/// use policy_core::{task, tracker::Tracker};
///
/// let tracker = Tracker::default();
/// let (task, _handle) = task::new(async {});
/// fn spawnable<F: Future<Output = ()> + Send + 'static>(_: F) {}
/// spawnable(tracker.track(task).unwrap());
/// ```
#[derive(Debug)]
pub struct Tracked {
    /// `None` once it has ended: the task is dropped before it counts as ended, so
    /// that whoever waits knows that its destructors have run.
    task: Option<Task>,
    id: Id,
    /// Where its shard keeps it.
    place: usize,
    shared: Arc<Shared>,
}

impl Future for Tracked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.task {
            Some(task) => Pin::new(task).poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.task = None;
        let (removed, closed) = {
            let mut shard = self.shared.shard(self.id);
            (shard.alive.try_remove(self.place), shard.closed)
        };
        drop(removed);
        if closed {
            let _waiting = self.shared.waiting.lock();
            self.shared.ended.notify_all();
        }
    }
}
