//! Timers of a loop, which any thread may make, poll and drop.
//!
//! Not compio's, which stay on the thread that made them. The loop waits no longer
//! than until the first of these.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use policy_core::Timer;

use crate::shared::Shared;

/// When a timer fires, and a number to tell it from others of that moment.
type Key = (Instant, u64);

/// The timers of one loop that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    table: Mutex<Table>,
    /// How many there are: a loop without timers takes no lock.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    waiting: BTreeMap<Key, Waker>,
    next: u64,
    closed: bool,
}

impl Timers {
    /// Returns when the first fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.lock().waiting.first_key_value().map(|(key, _)| key.0)
    }

    /// Wakes those whose time has come.
    pub(crate) fn fire(&self) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let now = Instant::now();
        let due = {
            let mut table = self.lock();
            let later = table.waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut table.waiting, later);
            self.count.store(table.waiting.len(), Ordering::Release);
            due
        };
        // Outside the lock: wakers are user code.
        due.into_values().for_each(Waker::wake);
    }

    /// Wakes all of them, and takes no more: whoever waits sees that the loop is closed.
    pub(crate) fn close(&self) {
        let left = {
            let mut table = self.lock();
            table.closed = true;
            self.count.store(0, Ordering::Release);
            std::mem::take(&mut table.waiting)
        };
        left.into_values().for_each(Waker::wake);
    }

    /// Puts a waker in, and returns its key, and whether it is the first to fire.
    fn wait(&self, key: Option<Key>, deadline: Instant, waker: &Waker) -> (Option<Key>, bool) {
        let waker = waker.clone();
        let mut table = self.lock();
        if table.closed {
            drop(table);
            return (None, false);
        }
        let key = key.unwrap_or_else(|| {
            table.next += 1;
            (deadline, table.next)
        });
        let former = table.waiting.insert(key, waker);
        self.count.store(table.waiting.len(), Ordering::Release);
        let first =
            former.is_none() && table.waiting.first_key_value().is_some_and(|(k, _)| *k == key);
        drop(table);
        // Outside the lock: a waker's destructor is user code.
        drop(former);
        (Some(key), first)
    }

    fn cancel(&self, key: Key) {
        let removed = {
            let mut table = self.lock();
            let removed = table.waiting.remove(&key);
            self.count.store(table.waiting.len(), Ordering::Release);
            removed
        };
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn at(shared: Arc<Shared>, deadline: Instant) -> Timer {
    Timer::new(Sleep { shared, deadline, key: None })
}

struct Sleep {
    shared: Arc<Shared>,
    deadline: Instant,
    key: Option<Key>,
}

const _: () = assert!(size_of::<Sleep>() <= 128, "each timer would be boxed");

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        let (key, first) = self.shared.timers.wait(self.key, self.deadline, cx.waker());
        self.key = key;
        if first {
            // It may sleep for longer.
            self.shared.ring();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.timers.cancel(key);
        }
    }
}
