//! Timers of a loop, which any thread may make, poll and drop.
//!
//! The loop waits no longer than until the first of these. They are few: a loop's own
//! timer queue has one, for the first of all that it knows.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use policy_core::Timer;
use policy_core::sync::Mutex;

/// When a timer fires, and a number to tell it from others of that moment.
type Key = (Instant, u64);

/// The part of a loop that has timers.
///
/// ```
/// use policy_poller::timers::{self, Home, Timers};
/// use std::sync::Arc;
///
/// #[derive(Default)]
/// struct Shared(Timers);
///
/// impl Home for Shared {
///     fn timers(&self) -> &Timers {
///         &self.0
///     }
///     fn ring(&self) {}
/// }
///
/// let shared = Arc::new(Shared::default());
/// let _timer = timers::at(shared.clone(), std::time::Instant::now());
/// assert!(shared.0.next().is_none()); // not polled yet
/// ```
pub trait Home: Send + Sync + 'static {
    /// Returns them.
    fn timers(&self) -> &Timers;
    /// Has the thread that drives the loop look at them again.
    fn ring(&self);
}

/// The timers of one loop that are waited for; see [`Home`].
#[derive(Debug, Default)]
pub struct Timers {
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
    ///
    /// ```
    /// assert!(policy_poller::timers::Timers::default().next().is_none());
    /// ```
    pub fn next(&self) -> Option<Instant> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.table.lock().waiting.first_key_value().map(|(key, _)| key.0)
    }

    /// Wakes those whose time has come.
    ///
    /// ```
    /// policy_poller::timers::Timers::default().fire();
    /// ```
    pub fn fire(&self) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let now = Instant::now();
        let due = {
            let mut table = self.table.lock();
            let later = table.waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut table.waiting, later);
            self.count.store(table.waiting.len(), Ordering::Release);
            due
        };
        // Outside the lock: wakers are user code.
        due.into_values().for_each(Waker::wake);
    }

    /// Wakes all of them, and takes no more: whoever waits sees that the loop is closed.
    ///
    /// ```
    /// policy_poller::timers::Timers::default().close();
    /// ```
    pub fn close(&self) {
        let left = {
            let mut table = self.table.lock();
            table.closed = true;
            self.count.store(0, Ordering::Release);
            std::mem::take(&mut table.waiting)
        };
        left.into_values().for_each(Waker::wake);
    }

    /// Puts a waker in, and returns its key, and whether it is the first to fire.
    fn wait(&self, key: Option<Key>, deadline: Instant, waker: &Waker) -> (Option<Key>, bool) {
        let waker = waker.clone();
        let mut table = self.table.lock();
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
            let mut table = self.table.lock();
            let removed = table.waiting.remove(&key);
            self.count.store(table.waiting.len(), Ordering::Release);
            removed
        };
        drop(removed);
    }
}

/// Makes a timer that is ready at `deadline`; see [`Home`].
pub fn at<H: Home>(home: Arc<H>, deadline: Instant) -> Timer {
    Timer::new(Sleep { home, deadline, key: None })
}

struct Sleep<H: Home> {
    home: Arc<H>,
    deadline: Instant,
    key: Option<Key>,
}

impl<H: Home> Future for Sleep<H> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return Poll::Ready(());
        }
        let (key, first) = self.home.timers().wait(self.key, self.deadline, cx.waker());
        self.key = key;
        if first {
            // It may sleep for longer.
            self.home.ring();
        }
        Poll::Pending
    }
}

impl<H: Home> Drop for Sleep<H> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.home.timers().cancel(key);
        }
    }
}
