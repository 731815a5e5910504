//! All callbacks of a loop, in order, and who has to run them.

use std::cmp::Ordering as Order;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

use super::handle::Entry;
use crate::debug::Slow;
use crate::task::quietly;

/// There is something to run, or the earliest timer has changed.
pub(crate) const WORK: u8 = 1;
/// The run should end.
pub(crate) const STOP: u8 = 1 << 1;
/// The loop is in debug mode.
const DEBUG: u8 = 1 << 2;

/// How many cancelled timers are kept before they are looked for (asyncio's number).
const CANCELLED_LIMIT: usize = 100;

/// What a loop's driver is told, and the callbacks that it has to run.
///
/// The waker in the queue is the driver's. Whoever has news sets a bit of
/// [`signals`](Self::signals), and then *takes* the waker and wakes it, outside the
/// lock. So a driver that finds a bit set has to leave its waker again; and one
/// that finds none after it has left its waker may sleep.
pub(crate) struct Callbacks {
    signals: AtomicU8,
    slow: Slow,
    queue: Mutex<Queue>,
}

struct Queue {
    /// What is to run in the next batch, in the order in which it came.
    ready: VecDeque<Entry>,
    timed: BinaryHeap<Timed>,
    /// How many timers there were: equal deadlines keep their order.
    count: u64,
    /// About how many of the timers are cancelled.
    cancelled: usize,
    driver: Driver,
    /// Counts pumps, so that one that comes late knows that it is not the one.
    pumps: u64,
    waker: Option<Waker>,
    /// A batch is being run: on another thread, if the driver asks.
    busy: bool,
    closed: bool,
}

/// Who runs the callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Nobody,
    Main,
    Pump(u64),
}

/// What is left when a batch has been run.
pub(super) struct Left {
    /// When the next timer is due.
    pub(super) earliest: Option<Instant>,
}

impl Callbacks {
    pub(crate) fn new(debug: bool) -> Self {
        let queue = Queue {
            ready: VecDeque::new(),
            timed: BinaryHeap::new(),
            count: 0,
            cancelled: 0,
            driver: Driver::Nobody,
            pumps: 0,
            waker: None,
            busy: false,
            closed: false,
        };
        let signals = AtomicU8::new(if debug { DEBUG } else { 0 });
        Self { signals, slow: Slow::default(), queue: Mutex::new(queue) }
    }

    /// Returns the bits that are set.
    #[inline]
    pub(crate) fn signals(&self) -> u8 {
        self.signals.load(Acquire)
    }

    #[inline]
    pub(crate) fn is_debug(&self) -> bool {
        self.signals.load(Relaxed) & DEBUG != 0
    }

    pub(crate) fn set_debug(&self, debug: bool) {
        match debug {
            true => self.signals.fetch_or(DEBUG, AcqRel),
            false => self.signals.fetch_and(!DEBUG, AcqRel),
        };
    }

    pub(crate) fn slow(&self) -> &Slow {
        &self.slow
    }

    /// Asks for the end of the run.
    pub(crate) fn stop(&self) {
        self.signals.fetch_or(STOP, AcqRel);
        let waker = self.lock().waker.take();
        wake(waker);
    }

    /// Adds a callback for the next batch. Returns who runs it now, if nobody did: a
    /// pump that has to be started, if the loop can have one.
    ///
    /// # Errors
    /// The callback, if the loop is closed.
    pub(crate) fn add(&self, entry: Entry, pumped: bool) -> Result<Option<Driver>, Entry> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(entry);
        }
        queue.ready.push_back(entry);
        Ok(self.announce(queue, pumped))
    }

    /// Adds a callback for the time `when`; else as [`add`](Self::add).
    pub(crate) fn add_timed(
        &self,
        when: Instant,
        entry: Entry,
        pumped: bool,
    ) -> Result<Option<Driver>, Entry> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(entry);
        }
        let number = queue.count;
        queue.count += 1;
        queue.timed.push(Timed { when, number, entry });
        // The driver's timer is right for all but a new first.
        match queue.timed.peek() {
            Some(first) if first.number == number => Ok(self.announce(queue, pumped)),
            _ => Ok(None),
        }
    }

    fn announce(&self, mut queue: MutexGuard<'_, Queue>, pumped: bool) -> Option<Driver> {
        self.signals.fetch_or(WORK, AcqRel);
        let started = queue.start_pump(pumped);
        let waker = queue.waker.take();
        drop(queue);
        wake(waker);
        started
    }

    /// Makes the main future the driver, until [`end_run`](Self::end_run).
    pub(crate) fn begin_run(&self) {
        let mut queue = self.lock();
        queue.driver = Driver::Main;
        if !queue.is_empty() {
            self.signals.fetch_or(WORK, AcqRel);
        }
        let former = queue.waker.take();
        drop(queue);
        // A pump learns so that it is none any more.
        wake(former);
    }

    /// Ends the run, and takes the wish that it should end back. Returns who runs
    /// what is left, as [`add`](Self::add) does.
    pub(crate) fn end_run(&self, pumped: bool) -> Option<Driver> {
        self.signals.fetch_and(!STOP, AcqRel);
        let mut queue = self.lock();
        queue.driver = Driver::Nobody;
        let waker = queue.waker.take();
        let started = if queue.is_empty() { None } else { queue.start_pump(pumped) };
        drop(queue);
        // Outside the lock: dropping one may run code that comes here.
        quietly(|| drop(waker));
        started
    }

    /// Returns true if `pump` may end: it is not the driver any more, or there is
    /// nothing to drive.
    pub(super) fn end_pump(&self, pump: Driver) -> bool {
        let mut queue = self.lock();
        if queue.driver != pump {
            return true;
        }
        if !queue.is_empty() {
            return false;
        }
        queue.driver = Driver::Nobody;
        let waker = queue.waker.take();
        drop(queue);
        quietly(|| drop(waker));
        true
    }

    /// Takes a pump that was dropped for what it is. What is left waits for the next
    /// driver.
    pub(super) fn forget_pump(&self, pump: Driver) {
        let mut queue = self.lock();
        if queue.driver == pump {
            queue.driver = Driver::Nobody;
            let waker = queue.waker.take();
            drop(queue);
            quietly(|| drop(waker));
        }
    }

    /// Leaves the waker of `driver`. Returns false if it is not the driver any more.
    pub(crate) fn register(&self, driver: Driver, waker: Waker) -> bool {
        let mut queue = self.lock();
        let drives = queue.driver == driver && !queue.closed;
        let old = match drives {
            true => queue.waker.replace(waker),
            false => Some(waker),
        };
        drop(queue);
        quietly(|| drop(old));
        drives
    }

    /// Moves what `driver` has to run now into `batch`, which is empty: what is
    /// ready, then what is due by `now`. Returns false if there is nothing to do
    /// for it: somebody else drives, or still runs a batch and will call.
    pub(super) fn begin_batch(
        &self,
        driver: Driver,
        batch: &mut VecDeque<Entry>,
        now: impl FnOnce() -> Instant,
    ) -> bool {
        let mut queue = self.lock();
        if queue.driver != driver {
            return false;
        }
        self.signals.fetch_and(!WORK, AcqRel);
        if queue.busy {
            return false;
        }
        queue.busy = true;
        std::mem::swap(&mut queue.ready, batch);
        let timers = !queue.timed.is_empty();
        drop(queue);
        if timers {
            // Outside the lock: the clock is the loop's.
            let now = now();
            let mut queue = self.lock();
            while let Some(due) = queue.pop_due(now) {
                batch.push_back(due.entry);
            }
        }
        true
    }

    pub(super) fn end_batch(&self, driver: Driver) -> Left {
        let mut queue = self.lock();
        queue.busy = false;
        if queue.driver == driver {
            let earliest = queue.timed.peek().map(|first| first.when);
            return Left { earliest };
        }
        // Another has become the driver meanwhile, and was sent away.
        self.announce(queue, false);
        Left { earliest: None }
    }

    /// Notes that one of the timers was cancelled.
    pub(super) fn cancelled_timer(&self) {
        let mut queue = self.lock();
        queue.cancelled += 1;
        if queue.cancelled <= CANCELLED_LIMIT || queue.cancelled * 2 <= queue.timed.len() {
            return;
        }
        queue.cancelled = 0;
        let (cancelled, left): (Vec<_>, Vec<_>) =
            queue.timed.drain().partition(|timed| timed.entry.is_cancelled());
        queue.timed = left.into();
        drop(queue);
        drop(cancelled);
    }

    /// Drops all callbacks, and takes no more.
    pub(crate) fn close(&self) {
        let (ready, timed, waker) = {
            let mut queue = self.lock();
            queue.closed = true;
            (std::mem::take(&mut queue.ready), std::mem::take(&mut queue.timed), queue.waker.take())
        };
        // A pump that is left ends.
        wake(waker);
        ready.iter().chain(timed.iter().map(|timed| &timed.entry)).for_each(discard);
    }

    /// Leaves the callbacks to themselves: in a child of `fork` they are the
    /// parent's, and so may be the lock.
    pub(crate) fn forget(&self) {
        if let Ok(mut queue) = self.queue.try_lock() {
            queue.closed = true;
            std::mem::forget(std::mem::take(&mut queue.ready));
            std::mem::forget(std::mem::take(&mut queue.timed));
            std::mem::forget(queue.waker.take());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops a callback that will not be called. Its destructors may do anything.
pub(super) fn discard(entry: &Entry) {
    quietly(|| {
        entry.cancel();
    });
}

/// The driver's timer has ended.
impl Wake for Callbacks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.announce(self.lock(), false);
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.timed.is_empty()
    }

    fn start_pump(&mut self, pumped: bool) -> Option<Driver> {
        if !pumped || self.driver != Driver::Nobody {
            return None;
        }
        self.pumps += 1;
        self.driver = Driver::Pump(self.pumps);
        Some(self.driver)
    }

    fn pop_due(&mut self, now: Instant) -> Option<Timed> {
        match self.timed.peek() {
            Some(first) if first.when <= now => self.timed.pop(),
            _ => None,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        // A waker is foreign code: one that panics harms nobody else.
        quietly(|| waker.wake());
    }
}

struct Timed {
    when: Instant,
    number: u64,
    entry: Entry,
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Order {
        // Reversed: the heap's first is the greatest.
        (other.when, other.number).cmp(&(self.when, self.number))
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timed {}
