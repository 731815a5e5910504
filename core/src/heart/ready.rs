//! All that is ready to run on a loop, in one queue, and who has to run it.
//!
//! Tasks, callbacks and the main future become ready in one order, as in asyncio. What
//! the driving thread adds goes into its own [`Lane`], without a lock; what comes from
//! elsewhere, or while nobody drives, goes into the *mail*, whose lock is also where a
//! loop becomes closed: whatever comes later is refused, so that nothing can be lost in
//! between.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

use slab::Slab;

use super::callback;
use super::lane::{self, Lane};
use super::timed::Schedule;
use crate::debug::Slow;
use crate::task::{Home, Homed, JoinHandle, Scheduled, quietly};

/// The run should end.
const STOP: u8 = 1;
/// The loop is in debug mode.
const DEBUG: u8 = 1 << 1;

/// The ready queue of a loop.
pub(crate) struct Ready {
    bits: AtomicU8,
    slow: Slow,
    /// The loop's tasks are run from here, by the thread that drives it; else by an
    /// executor with threads.
    runs_tasks: bool,
    /// The main future is in the queue.
    main: AtomicBool,
    /// The driver sleeps, or is about to: whoever adds something wakes it. Set before a
    /// last look at `has_mail`, which is set before a look at this; so one of the two
    /// sees the other.
    asleep: AtomicBool,
    has_mail: AtomicBool,
    /// Somebody has waited for the loop's reactor, its timers or its threads.
    waits: AtomicBool,
    mail: Mutex<Mail>,
}

/// Something that is ready.
pub(super) enum Entry {
    /// The main future of the run.
    Main,
    /// A task that was not polled yet.
    Spawned(Homed),
    /// A task that was woken.
    Woken(Scheduled),
    Call(callback::Entry),
}

struct Mail {
    entries: VecDeque<Entry>,
    /// The tasks that were polled and wait, under the keys that their cells remember.
    /// With the run, while there is one.
    living: Slab<Homed>,
    timed: Schedule,
    driver: Driver,
    /// Counts pumps, so that one that comes late knows that it is not the one.
    pumps: u64,
    /// The driver's.
    waker: Option<Waker>,
    /// A pump is running a batch.
    busy: bool,
    closed: bool,
}

/// Who runs what is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Nobody,
    Run,
    Pump(u64),
}

impl Ready {
    pub(crate) fn new(runs_tasks: bool, debug: bool) -> Arc<Self> {
        Arc::new(Self {
            bits: AtomicU8::new(if debug { DEBUG } else { 0 }),
            slow: Slow::default(),
            runs_tasks,
            main: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            has_mail: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            mail: Mutex::new(Mail {
                entries: VecDeque::new(),
                living: Slab::new(),
                timed: Schedule::default(),
                driver: Driver::Nobody,
                pumps: 0,
                waker: None,
                busy: false,
                closed: false,
            }),
        })
    }

    /// Returns true if the loop's tasks are run from here.
    #[inline]
    pub(crate) fn runs_tasks(&self) -> bool {
        self.runs_tasks
    }

    #[inline]
    pub(crate) fn is_debug(&self) -> bool {
        self.bits.load(Relaxed) & DEBUG != 0
    }

    pub(crate) fn set_debug(&self, debug: bool) {
        match debug {
            true => self.bits.fetch_or(DEBUG, AcqRel),
            false => self.bits.fetch_and(!DEBUG, AcqRel),
        };
    }

    pub(crate) fn slow(&self) -> &Slow {
        &self.slow
    }

    /// Notes that somebody waits for what only a look at the reactor, or at the clock,
    /// will bring.
    #[inline]
    pub(crate) fn expect(&self) {
        if !self.waits.load(Relaxed) {
            self.waits.store(true, Relaxed);
        }
    }

    pub(super) fn expects(&self) -> bool {
        self.waits.load(Relaxed)
    }

    /// Asks for the end of the run.
    pub(crate) fn stop(&self) {
        self.bits.fetch_or(STOP, SeqCst);
        self.ring();
    }

    #[inline]
    pub(super) fn is_stopping(&self) -> bool {
        self.bits.load(SeqCst) & STOP != 0
    }

    /// Spawns a task that the driver polls. One that is refused, because the loop is
    /// closed, is cancelled: its handle says so.
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F) -> (JoinHandle<F::Output>, bool)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = Homed::new(future, self.clone());
        let refused = self.add(Entry::Spawned(task));
        let accepted = refused.is_ok();
        drop(refused);
        (handle, accepted)
    }

    /// Adds a callback for the next batch. Returns who runs it now, if nobody did: a
    /// pump that has to be started, if the loop can have one.
    ///
    /// # Errors
    /// The callback, if the loop is closed.
    pub(crate) fn call(&self, entry: callback::Entry) -> Result<Option<Driver>, callback::Entry> {
        match self.add(Entry::Call(entry)) {
            Ok(()) => Ok(self.start_pump()),
            Err(Entry::Call(entry)) => Err(entry),
            // It is what was added.
            Err(_) => Ok(None),
        }
    }

    /// Adds a callback for the time `when`; else as [`call`](Self::call).
    pub(crate) fn call_at(
        &self,
        when: Instant,
        entry: callback::Entry,
    ) -> Result<Option<Driver>, callback::Entry> {
        self.expect();
        let mut mail = self.lock();
        if mail.closed {
            return Err(entry);
        }
        // The driver's alarm is right for all but a new first.
        if !mail.timed.add(when, entry) {
            return Ok(None);
        }
        let pump = mail.start_pump(!self.runs_tasks);
        self.has_mail.store(true, SeqCst);
        drop(mail);
        self.ring();
        Ok(pump)
    }

    /// # Errors
    /// The entry, if the loop is closed.
    #[inline]
    fn add(&self, entry: Entry) -> Result<(), Entry> {
        let mut entry = Some(entry);
        let added = lane::with(self, |lane| lane.queue.borrow_mut().extend(entry.take()));
        match (added, entry) {
            (None, Some(entry)) => self.post(entry),
            _ => {
                // On the thread that drives, but in what it calls to sleep.
                if self.asleep.load(Relaxed) {
                    self.ring();
                }
                Ok(())
            }
        }
    }

    #[cold]
    fn post(&self, entry: Entry) -> Result<(), Entry> {
        let mut mail = self.lock();
        if mail.closed {
            return Err(entry);
        }
        mail.entries.push_back(entry);
        self.has_mail.store(true, SeqCst);
        drop(mail);
        self.ring();
        Ok(())
    }

    /// Wakes the driver, if it sleeps.
    fn ring(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            let waker = self.lock().waker.clone();
            wake(waker);
        }
    }

    fn start_pump(&self) -> Option<Driver> {
        if self.runs_tasks {
            return None;
        }
        self.lock().start_pump(true)
    }

    /// Makes the run the driver, until [`end_run`](Self::end_run), and gives it what is
    /// there.
    pub(super) fn begin_run(&self, lane: &Lane) -> Slab<Homed> {
        self.main.store(true, Relaxed);
        let mut mail = self.lock();
        mail.driver = Driver::Run;
        let former = mail.waker.take();
        let living = mem::take(&mut mail.living);
        let mut queue = lane.queue.borrow_mut();
        if !mail.busy {
            queue.append(&mut mail.entries);
            self.has_mail.store(false, Relaxed);
        }
        // After what was ready before: it is made ready by the run.
        queue.push_back(Entry::Main);
        drop(mail);
        // A pump learns so that it is none any more.
        wake(former);
        living
    }

    /// Ends the run, takes the wish that it should end back, and keeps what it has left.
    /// Returns who runs that now, as [`call`](Self::call) does.
    pub(super) fn end_run(&self, lane: &Lane, living: Slab<Homed>) -> Option<Driver> {
        self.bits.fetch_and(!STOP, AcqRel);
        self.asleep.store(false, SeqCst);
        let mut left = lane.queue.take();
        left.retain(|entry| !matches!(entry, Entry::Main));
        let mut mail = self.lock();
        mail.driver = Driver::Nobody;
        let waker = mail.waker.take();
        if mail.closed {
            drop(mail);
            quietly(|| drop(waker));
            discard(left, living);
            return None;
        }
        left.append(&mut mail.entries);
        left.retain(|entry| !matches!(entry, Entry::Main));
        mail.entries = left;
        mail.living = living;
        let pump = mail.start_pump(!self.runs_tasks);
        drop(mail);
        // Outside the lock: dropping one may run code that comes here.
        quietly(|| drop(waker));
        pump
    }

    /// Moves what came from elsewhere into the lane, and then what is due by `now`.
    pub(super) fn collect(&self, lane: &Lane, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let mut mail = self.lock();
        // Cleared under the lock, under which it is set.
        self.has_mail.store(false, SeqCst);
        if mail.busy {
            return None;
        }
        let mut queue = lane.queue.borrow_mut();
        queue.append(&mut mail.entries);
        if !mail.timed.is_empty() {
            drop(mail);
            // Outside the lock: the clock is the loop's.
            let now = now();
            mail = self.lock();
            while let Some(due) = mail.timed.pop_due(now) {
                queue.push_back(Entry::Call(due));
            }
        }
        mail.timed.earliest()
    }

    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Relaxed)
    }

    /// Notes that the main future is off the queue.
    pub(super) fn take_main(&self) {
        self.main.store(false, SeqCst);
    }

    #[inline]
    pub(super) fn awake(&self) {
        if self.asleep.load(Relaxed) {
            self.asleep.store(false, SeqCst);
        }
    }

    /// Leaves the waker of `driver`. Returns false if it is not the driver any more.
    pub(super) fn register(&self, driver: Driver, waker: Waker) -> bool {
        let mut mail = self.lock();
        let drives = mail.driver == driver && !mail.closed;
        let old = match drives {
            true => mail.waker.replace(waker),
            false => Some(waker),
        };
        drop(mail);
        quietly(|| drop(old));
        drives
    }

    /// Returns true if the driver, whose waker is left, may sleep: from now on whoever
    /// adds something wakes it.
    pub(super) fn sleeps(&self) -> bool {
        self.asleep.store(true, SeqCst);
        if self.has_mail.load(SeqCst) || self.is_stopping() {
            self.asleep.store(false, SeqCst);
            return false;
        }
        true
    }

    /// Takes the callbacks that `pump` has to run now: what is ready, then what is due.
    /// `None` if there is nothing to do for it: somebody else drives.
    pub(super) fn begin_batch(
        &self,
        pump: Driver,
        now: impl FnOnce() -> Instant,
    ) -> Option<VecDeque<callback::Entry>> {
        let mut mail = self.lock();
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
        if !mail.timed.is_empty() {
            drop(mail);
            let now = now();
            mail = self.lock();
            while let Some(due) = mail.timed.pop_due(now) {
                batch.push_back(due);
            }
        }
        Some(batch)
    }

    /// Returns when the next timer is due.
    pub(super) fn end_batch(&self, pump: Driver) -> Option<Instant> {
        let mut mail = self.lock();
        mail.busy = false;
        if mail.driver == pump {
            return mail.timed.earliest();
        }
        // A run has begun meanwhile, and left the mail alone.
        self.has_mail.store(true, SeqCst);
        drop(mail);
        self.ring();
        None
    }

    /// Returns true if `pump` may end: it is not the driver any more, or there is
    /// nothing to drive.
    pub(super) fn end_pump(&self, pump: Driver) -> bool {
        let mut mail = self.lock();
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
        let mut mail = self.lock();
        if mail.driver == pump {
            mail.driver = Driver::Nobody;
            let waker = mail.waker.take();
            drop(mail);
            quietly(|| drop(waker));
        }
    }

    /// Notes that one of the timers was cancelled.
    pub(super) fn cancelled_timer(&self) {
        let gone = self.lock().timed.cancelled();
        drop(gone);
    }

    /// Cancels all that waits, on this thread, and takes no more. What a run has, which
    /// is under way, goes when that ends.
    pub(crate) fn close(&self) {
        let (entries, living, timed, waker) = {
            let mut mail = self.lock();
            mail.closed = true;
            let entries = mem::take(&mut mail.entries);
            let living = mem::take(&mut mail.living);
            (entries, living, mem::take(&mut mail.timed), mail.waker.take())
        };
        // A pump that is left ends.
        wake(waker);
        discard(entries, living);
        timed.into_entries().for_each(|entry| callback::discard(&entry));
    }

    /// Leaves everything to itself: in a child of `fork` it is the parent's, and so may
    /// be the lock.
    pub(crate) fn forget(&self) {
        if let Ok(mut mail) = self.mail.try_lock() {
            mail.closed = true;
            mem::forget(mem::take(&mut mail.entries));
            mem::forget(mem::take(&mut mail.living));
            mem::forget(mem::take(&mut mail.timed));
            mem::forget(mail.waker.take());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Ready {
    #[inline]
    fn push(&self, cell: Scheduled) -> Result<(), Scheduled> {
        match self.add(Entry::Woken(cell)) {
            Err(Entry::Woken(cell)) => Err(cell),
            _ => Ok(()),
        }
    }
}

/// The waker of the main future.
impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.main.swap(true, AcqRel) {
            // Of a closed loop nobody runs it any more.
            drop(self.add(Entry::Main));
        }
    }
}

impl Mail {
    fn has_calls(&self) -> bool {
        !self.timed.is_empty() || self.entries.iter().any(|entry| matches!(entry, Entry::Call(_)))
    }

    fn start_pump(&mut self, pumped: bool) -> Option<Driver> {
        if !pumped || self.closed || self.driver != Driver::Nobody || !self.has_calls() {
            return None;
        }
        self.pumps += 1;
        self.driver = Driver::Pump(self.pumps);
        Some(self.driver)
    }
}

/// Drops what will not be run: tasks are cancelled so, callbacks are told.
fn discard(entries: VecDeque<Entry>, living: Slab<Homed>) {
    for entry in entries {
        if let Entry::Call(call) = &entry {
            callback::discard(call);
        }
        drop(entry);
    }
    drop(living);
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        // A waker is foreign code: one that panics harms nobody else.
        quietly(|| waker.wake());
    }
}
