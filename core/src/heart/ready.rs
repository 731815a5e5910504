//! All that is ready to run on a loop, in one queue, and who has to run it.
//!
//! Tasks, callbacks and the main future become ready in one order, as in asyncio. What
//! the driving thread adds goes into its own [`Lane`], without a lock; what comes from
//! elsewhere, or while nobody drives, goes into the *mail*, whose lock is also where a
//! loop becomes closed: whatever comes later is refused, so that nothing can be lost in
//! between.

use std::mem;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use slab::Slab;

use super::callback;
use super::clock::Clock;
use super::lane::{self, Lane};
use super::mail::{Driver, Entry, Mail, discard};
use super::schedule::{Due, Schedule};
use super::sync::{AtomicBool, AtomicU8, Mutex};
use crate::EventLoop;
use crate::heart::debug::Slow;
use crate::local::Generation;
use crate::sync::{quietly, wake};
use crate::task::{Home, Homed, JoinHandle, Scheduled};

/// The run should end.
const STOP: u8 = 1;
/// The loop is in debug mode.
const DEBUG: u8 = 1 << 1;

/// The ready queue of a loop.
pub(crate) struct Ready {
    bits: AtomicU8,
    generation: Generation,
    slow: Slow,
    /// The loop's tasks are run from here, by the thread that drives it; else by an
    /// executor with threads.
    runs_tasks: AtomicBool,
    /// A run is under way.
    driven: AtomicBool,
    pub(super) closed: AtomicBool,
    pub(super) clock: Clock,
    pub(super) schedule: Schedule,
    /// The loop, once somebody has waited for its clock.
    home: OnceLock<Weak<dyn EventLoop>>,
    /// The host of a loop that is driven turn by turn, and whether it was told.
    host: OnceLock<(Host, ThreadId)>,
    is_told: AtomicBool,
    /// The main future is in the queue.
    main: AtomicBool,
    /// The driver sleeps, or is about to: whoever adds something wakes it. Set before a
    /// last look at `has_mail`, which is set before a look at this; so one of the two
    /// sees the other.
    pub(super) asleep: AtomicBool,
    pub(super) has_mail: AtomicBool,
    /// Somebody has waited for the loop's reactor, its timers or its threads.
    waits: AtomicBool,
    pub(super) mail: Mutex<Mail>,
}

/// What tells the host of a loop that there is something to do.
pub(crate) type Host = Box<dyn Fn() + Send + Sync>;

impl Ready {
    pub(crate) fn new(runs_tasks: bool, debug: bool) -> Arc<Self> {
        Arc::new(Self {
            bits: AtomicU8::new(if debug { DEBUG } else { 0 }),
            generation: Generation::current(),
            slow: Slow::default(),
            runs_tasks: AtomicBool::new(runs_tasks),
            driven: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            clock: Clock::default(),
            schedule: Schedule::new(!runs_tasks),
            home: OnceLock::new(),
            host: OnceLock::new(),
            is_told: AtomicBool::new(false),
            main: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            has_mail: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            mail: Mutex::new(Mail::new()),
        })
    }

    /// Returns true if the loop's tasks are run from here.
    #[inline]
    pub(crate) fn runs_tasks(&self) -> bool {
        self.runs_tasks.load(Relaxed)
    }

    /// Runs the tasks from here from now on. Before there are any.
    pub(crate) fn run_tasks(&self) {
        self.runs_tasks.store(true, SeqCst);
    }

    /// Returns true while a run polls the loop's tasks.
    #[inline]
    pub(super) fn is_turning(&self) -> bool {
        self.runs_tasks() && self.driven.load(SeqCst)
    }

    /// Returns true while somebody fires the loop's timers.
    #[inline]
    pub(super) fn is_served(&self) -> bool {
        !self.runs_tasks() || self.driven.load(SeqCst)
    }

    /// Remembers whose queue it is.
    #[inline]
    pub(crate) fn is_at_home(&self, event_loop: &Arc<dyn EventLoop>) {
        if self.home.get().is_none() {
            self.home.get_or_init(|| Arc::downgrade(event_loop));
        }
    }

    pub(super) fn home(&self) -> Option<Arc<dyn EventLoop>> {
        self.home.get()?.upgrade()
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
        self.ring_driver();
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

    /// # Errors
    /// The entry, if the loop is closed.
    #[inline]
    pub(super) fn add(&self, entry: Entry) -> Result<(), Entry> {
        // A task that moves between threads, such as the timekeeper, may be on the driver's now,
        // and have called from another before: its callbacks keep their order in the mail.
        if matches!(entry, Entry::Call(_)) && !self.runs_tasks() {
            return self.post(entry);
        }
        match lane::push(self, entry) {
            Ok(()) => {
                // On the thread that drives, but in what it calls to sleep.
                if self.asleep.load(Relaxed) {
                    self.ring();
                }
                Ok(())
            }
            Err(entry) => self.post(entry),
        }
    }

    /// Returns true in a child of `fork`, which has none of the loop's threads.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.generation.is_past()
    }

    #[cold]
    fn post(&self, entry: Entry) -> Result<(), Entry> {
        if self.is_forked() {
            // Nobody runs it, nor is the lock sure to be opened.
            mem::forget(entry);
            return Ok(());
        }
        let mut mail = self.mail.lock();
        if mail.closed {
            return Err(entry);
        }
        mail.entries.push_back(entry);
        self.has_mail.store(true, SeqCst);
        drop(mail);
        self.ring();
        Ok(())
    }

    /// Wakes the driver, if it sleeps; without one, the host.
    pub(super) fn ring(&self) {
        self.ring_driver();
        self.tell_host();
    }

    /// Tells the host, if there is one.
    #[inline]
    pub(crate) fn tell_host(&self) {
        if let Some((host, _)) = self.host.get() {
            self.tell(host);
        }
    }

    fn ring_driver(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            let waker = self.mail.lock().waker.clone();
            wake_shared(waker);
        }
    }

    #[cold]
    fn tell(&self, host: &Host) {
        if !self.driven.load(SeqCst) && !self.is_told.swap(true, SeqCst) {
            // The host's code: if it panics, that harms nobody else.
            quietly(host);
        }
    }

    /// Has `host` called when there is something to do while no run is under way, once
    /// until the next. Returns false if there is one already.
    pub(crate) fn set_host(&self, host: Host) -> bool {
        // Also what waits by the executor's own functions gets a look of each turn.
        self.expect();
        self.host.set((host, thread::current().id())).is_ok()
    }

    /// Returns true if another thread than this has the host.
    pub(crate) fn is_hosted_elsewhere(&self) -> bool {
        self.host.get().is_some_and(|(_, thread)| *thread != thread::current().id())
    }

    /// Returns true if nothing is ready.
    pub(crate) fn is_idle(&self) -> bool {
        self.mail.lock().entries.is_empty()
    }

    /// Returns the pump that has to be started, if one has to.
    pub(super) fn start_pump(&self) -> Option<Driver> {
        if self.runs_tasks() {
            return None;
        }
        self.mail.lock().start_pump(true)
    }

    /// Makes the run the driver, until [`end_run`](Self::end_run), and gives it what is
    /// there.
    pub(super) fn begin_run(&self, lane: &Lane) -> Slab<Homed> {
        self.main.store(true, Relaxed);
        self.driven.store(true, SeqCst);
        self.is_told.store(false, SeqCst);
        let mut mail = self.mail.lock();
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
        wake_shared(former);
        living
    }

    /// Ends the run, takes the wish that it should end back, and keeps what it has left.
    /// Returns who runs that now, as [`call`](Self::call) does.
    pub(super) fn end_run(&self, lane: &Lane, living: Slab<Homed>) -> Option<Driver> {
        self.bits.fetch_and(!STOP, AcqRel);
        self.driven.store(false, SeqCst);
        self.asleep.store(false, SeqCst);
        let mut left = lane.queue.take();
        left.retain(|entry| !matches!(entry, Entry::Main));
        let mut mail = self.mail.lock();
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
        let pump = mail.start_pump(!self.runs_tasks());
        drop(mail);
        // Outside the lock: dropping one may run code that comes here.
        quietly(|| drop(waker));
        pump
    }

    /// Moves what came from elsewhere into the lane.
    pub(super) fn collect(&self, lane: &Lane) {
        let mut mail = self.mail.lock();
        // Cleared under the lock, under which it is set for what is there.
        self.has_mail.store(false, SeqCst);
        if !mail.busy {
            lane.queue.borrow_mut().append(&mut mail.entries);
        }
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
        let waker = Arc::new(waker);
        let mut mail = self.mail.lock();
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

    /// Cancels all that waits, on this thread, and takes no more. What a run has, which
    /// is under way, goes when that ends.
    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.clock.close();
        let (entries, living, waker) = {
            let mut mail = self.mail.lock();
            mail.closed = true;
            let entries = mem::take(&mut mail.entries);
            (entries, mem::take(&mut mail.living), mail.waker.take())
        };
        // A pump that is left ends, and so does the timekeeper.
        wake_shared(waker);
        self.schedule.wake_timekeeper();
        discard(entries, living);
        for due in self.schedule.drain() {
            match due {
                // Who waits elsewhere learns that it waits in vain.
                Due::Wake(waker) => wake(Some(waker)),
                Due::Call(entry) => callback::discard(&entry),
            }
        }
    }

    /// Leaves everything to itself: in a child of `fork` it is the parent's, and so may
    /// be the locks.
    pub(crate) fn forget(&self) {
        self.closed.store(true, SeqCst);
        self.schedule.forget();
        if let Some(mut mail) = self.mail.try_lock() {
            mail.closed = true;
            mem::forget(mem::take(&mut mail.entries));
            mem::forget(mem::take(&mut mail.living));
            mem::forget(mail.waker.take());
        }
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

fn wake_shared(waker: Option<Arc<Waker>>) {
    if let Some(waker) = waker {
        quietly(move || waker.wake_by_ref());
    }
}
