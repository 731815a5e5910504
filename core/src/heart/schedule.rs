//! What a loop runs later: sleeps and callbacks, in the order of their deadlines, and
//! those of one deadline in the order in which they came.
//!
//! A loop whose tasks run on the thread that drives it has one queue, and the run fires
//! what is due. On a loop with threads one lock would be in everybody's way: there each
//! thread has one of several queues, and a task of the loop's, the *timekeeper*, fires what is
//! due in all of them.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::task::Waker;
use std::time::Instant;

use super::callback;
use super::timers::{self, Wheel};
use crate::sync::{Mutex, quietly, wake, wakers};

const SHARDS: usize = 8;

/// How many timers are fired in one go: others shall have their turn, too.
const AT_ONCE: usize = 4096;

/// Something that is due at a moment.
pub(super) enum Due {
    Wake(Waker),
    Call(callback::Entry),
}

/// The name of a timer in its loop's queues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    key: timers::Key,
    shard: u8,
}

pub(super) struct Schedule {
    origin: Instant,
    has_threads: bool,
    /// Made with the first timer: many loops never have one, and a wheel has many slots.
    shards: OnceLock<Box<[Shard]>>,
    /// Until when the timekeeper sleeps, in nanoseconds since the origin. Whoever adds an
    /// earlier timer wakes it.
    armed: AtomicU64,
    timekeeper: Mutex<Option<Waker>>,
    has_timekeeper: AtomicBool,
}

// A line of its own for each: a lock that is taken shall not slow its neighbour.
#[repr(align(64))]
struct Shard(Mutex<Wheel<Due>>);

impl Schedule {
    pub(super) fn new(has_threads: bool) -> Self {
        Self {
            origin: Instant::now(),
            has_threads,
            shards: OnceLock::new(),
            armed: AtomicU64::new(u64::MAX),
            timekeeper: Mutex::new(None),
            has_timekeeper: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.shards.get().is_some()
    }

    #[cold]
    fn make(&self) -> Box<[Shard]> {
        let shards = if self.has_threads { SHARDS } else { 1 };
        (0..shards).map(|_| Shard(Mutex::new(Wheel::new(self.origin)))).collect()
    }

    #[inline]
    pub(super) fn add(&self, deadline: Instant, due: Due) -> Key {
        let shards = self.shards.get_or_init(|| self.make());
        let shard = if shards.len() == 1 { 0 } else { this_shard() };
        #[allow(clippy::indexing_slicing, reason = "a thread's number is below that of shards")]
        let key = shards[usize::from(shard)].0.lock().insert(deadline, due);
        Key { key, shard }
    }

    /// Returns false if the timer has fired.
    pub(super) fn reset(&self, key: Key, deadline: Instant) -> bool {
        self.shard(key).is_some_and(|shard| shard.0.lock().reset(key.key, deadline))
    }

    /// Has `waker` woken instead. Returns false if the timer has fired.
    #[inline]
    pub(super) fn renew(&self, key: Key, waker: &Waker) -> bool {
        let Some(shard) = self.shard(key) else { return false };
        let mut clone = None;
        loop {
            let mut wheel = shard.0.lock();
            match wheel.payload_mut(key.key) {
                Some(Due::Wake(held)) if !held.will_wake(waker) => {
                    // To clone a waker or to drop one may run anything, also what comes to
                    // this queue: both outside the lock.
                    let Some(ours) = clone.take() else {
                        drop(wheel);
                        clone = Some(waker.clone());
                        continue;
                    };
                    let former = std::mem::replace(held, ours);
                    drop(wheel);
                    quietly(|| drop(former));
                    return true;
                }
                Some(_) => return true,
                None => return false,
            }
        }
    }

    #[inline]
    pub(super) fn remove(&self, key: Key) {
        let removed = self.shard(key).and_then(|shard| shard.0.lock().remove(key.key));
        quietly(|| drop(removed));
    }

    /// Takes out what is due by `now`.
    pub(super) fn fire(&self, now: Instant, due: &mut Vec<Due>) {
        for shard in self.all() {
            shard.0.lock().fire(now, due, AT_ONCE);
        }
    }

    /// Returns when to fire next: the earliest deadline, or earlier.
    pub(super) fn next(&self) -> Option<Instant> {
        self.all().filter_map(|shard| shard.0.lock().next()).min()
    }

    /// Returns the earliest deadline.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.all().filter_map(|shard| shard.0.lock().earliest_exact()).min()
    }

    /// Takes all out.
    pub(super) fn drain(&self) -> Vec<Due> {
        let mut due = Vec::new();
        for shard in self.all() {
            shard.0.lock().drain(&mut due);
        }
        due
    }

    /// Leaves everything to itself, in a forked child.
    pub(super) fn forget(&self) {
        for Shard(wheel) in self.all() {
            if let Some(mut wheel) = wheel.try_lock() {
                std::mem::forget(std::mem::replace(&mut *wheel, Wheel::new(self.origin)));
            }
        }
    }

    /// Returns true if a timekeeper has to be started: there is none.
    pub(super) fn needs_timekeeper(&self) -> bool {
        !self.has_timekeeper.load(Acquire) && !self.has_timekeeper.swap(true, AcqRel)
    }

    pub(super) fn timekeeper_ended(&self) {
        self.has_timekeeper.store(false, Release);
        let waker = self.timekeeper.lock().take();
        quietly(|| drop(waker));
    }

    /// Says until when the timekeeper sleeps. Returns what is to be slept for: something
    /// earlier may have come meanwhile.
    pub(super) fn timekeeper_sleeps(
        &self,
        next: Option<Instant>,
        waker: &Waker,
    ) -> Option<Instant> {
        let mut clone = None;
        while !wakers::leave(self.timekeeper.lock(), |timekeeper| timekeeper, &mut clone, waker) {}
        self.armed.store(next.map_or(u64::MAX, |next| self.nanos(next)), SeqCst);
        // After that, whoever adds an earlier one wakes the timekeeper; what was added before
        // is found now.
        let again = self.next();
        if again < next || next.is_none() {
            self.armed.store(again.map_or(u64::MAX, |next| self.nanos(next)), SeqCst);
        }
        again
    }

    /// Wakes the timekeeper, if it would sleep beyond `deadline`.
    #[inline]
    pub(super) fn wake_timekeeper_for(&self, deadline: Instant) {
        if self.nanos(deadline) < self.armed.load(SeqCst) {
            self.wake_timekeeper();
        }
    }

    #[cold]
    pub(super) fn wake_timekeeper(&self) {
        // Taken: to clone it may run code that comes here. The timekeeper leaves it again
        // before it sleeps.
        let waker = self.timekeeper.lock().take();
        wake(waker);
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX - 1)
    }

    fn all(&self) -> impl Iterator<Item = &Shard> {
        self.shards.get().into_iter().flatten()
    }

    #[inline]
    fn shard(&self, key: Key) -> Option<&Shard> {
        self.shards.get()?.get(usize::from(key.shard))
    }
}

/// The queue of this thread: threads take them in turn.
fn this_shard() -> u8 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<u8> = const { Cell::new(u8::MAX) };
    }
    let shard = SHARD.get();
    if shard != u8::MAX {
        return shard;
    }
    let shard = (NEXT.fetch_add(1, Relaxed) % SHARDS) as u8;
    SHARD.set(shard);
    shard
}
