//! One pause: the time, the queue of deadlines, and when to move on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use super::Shared;
use super::advance::Request;
use super::keeper::Ping;
use super::track::Slot;
use crate::task::{self, quietly};

/// What a clock is while it is paused. Another pause is another session.
pub(super) struct Session {
    clock: Weak<Shared>,
    /// Never used twice in a process; 2 at least.
    pub(super) number: u64,
    /// How many tasks have something to do.
    pub(super) busy: AtomicUsize,
    /// How many polls have begun: who sees the same number twice knows that nothing
    /// ran in between.
    pub(super) polls: AtomicU64,
    over: AtomicBool,
    slots: Mutex<HashMap<task::Id, Slot>>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    now: Instant,
    /// The pauses in force, and whether each lets time jump: the last one decides.
    pauses: Vec<bool>,
    /// Who waits, by deadline and order of coming.
    queue: BTreeMap<(Instant, u64), Waker>,
    last: u64,
    /// Whose time has come, and who did not come to see yet.
    fired: HashSet<u64>,
    pub(super) advances: VecDeque<Request>,
    probe: Probe,
    pub(super) ping: Ping,
    /// Wakers are being called: until then time stands, whoever looks.
    firing: bool,
}

/// Whether what was ready has been seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Probe {
    Unknown,
    /// A byte is on its way, since this number of polls.
    UnderWay(u64),
    /// It came back, and nothing but the keeper was polled until this number.
    Clean(u64),
}

/// What is to be done outside the lock.
enum Step {
    Nothing,
    Wake(Vec<Waker>),
    Ping,
}

impl Session {
    pub(super) fn new(clock: Weak<Shared>, now: Instant, jumps: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(2);
        Self {
            clock,
            number: NEXT.fetch_add(1, SeqCst),
            busy: AtomicUsize::new(0),
            polls: AtomicU64::new(0),
            over: AtomicBool::new(false),
            slots: Mutex::default(),
            inner: Mutex::new(Inner {
                now,
                pauses: vec![jumps],
                queue: BTreeMap::new(),
                last: 0,
                fired: HashSet::new(),
                advances: VecDeque::new(),
                probe: Probe::Unknown,
                ping: Ping::default(),
                firing: false,
            }),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.lock().now
    }

    pub(super) fn pause_again(&self, jumps: bool) {
        self.lock().pauses.push(jumps);
    }

    /// Takes the last pause back. Returns true if another is in force.
    pub(super) fn pauses_again(&self) -> bool {
        let mut inner = self.lock();
        inner.pauses.pop();
        !inner.pauses.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Ends the session, and tells all who wait in it.
    pub(super) fn end(&self) {
        self.over.store(true, SeqCst);
        let (queue, advances, keeper) = {
            let mut inner = self.lock();
            let queue = std::mem::take(&mut inner.queue);
            (queue, std::mem::take(&mut inner.advances), inner.ping.end())
        };
        drop(std::mem::take(&mut *self.slots()));
        let advances = advances.into_iter().map(Request::over);
        queue.into_values().chain(advances).chain(keeper).for_each(wake);
    }

    /// Puts a timer into the queue. Returns its key; `None` if its time has come, or
    /// the session is over.
    pub(super) fn enter(&self, deadline: Instant, waker: &Waker) -> Option<u64> {
        let waker = waker.clone();
        let key = {
            let mut inner = self.lock();
            if self.is_over() || deadline <= inner.now {
                return None;
            }
            inner.last += 1;
            let key = inner.last;
            inner.queue.insert((deadline, key), waker);
            key
        };
        // Whoever polls it may be no task of the loop, and then nobody looks later.
        self.check();
        Some(key)
    }

    /// Takes a new waker for a timer. Returns false if it has been fired.
    pub(super) fn stay(&self, deadline: Instant, key: u64, waker: &Waker) -> bool {
        let waker = waker.clone();
        let old = match self.lock().queue.get_mut(&(deadline, key)) {
            Some(slot) => std::mem::replace(slot, waker),
            None => return false,
        };
        quietly(|| drop(old));
        true
    }

    /// Takes a timer out of the queue, or notes that it was seen that its time has
    /// come.
    pub(super) fn leave(&self, deadline: Instant, key: u64) {
        let left = {
            let mut inner = self.lock();
            inner.fired.remove(&key);
            inner.queue.remove(&(deadline, key))
        };
        quietly(|| drop(left));
    }

    /// Notes that the keeper is polled: its own polls don't count.
    pub(super) fn keeper_polled(&self) {
        if let Probe::UnderWay(since) = &mut self.lock().probe {
            *since += 1;
        }
    }

    /// Notes that the byte has come back.
    pub(super) fn pong(&self) {
        let mut inner = self.lock();
        if let Probe::UnderWay(since) = inner.probe {
            let polls = self.polls.load(SeqCst);
            inner.probe = if polls == since { Probe::Clean(polls) } else { Probe::Unknown };
        }
    }

    /// One less has something to do.
    pub(super) fn less(&self) {
        if self.busy.fetch_sub(1, SeqCst) == 1 {
            self.check();
        }
    }

    /// Moves the time on, if nothing has anything to do.
    pub(super) fn check(&self) {
        loop {
            if self.busy.load(SeqCst) != 0 {
                return;
            }
            let Some(clock) = self.clock.upgrade() else { return };
            let step = self.step(&mut self.lock(), &clock);
            match step {
                Step::Nothing => return,
                Step::Ping => return Ping::ping(self),
                Step::Wake(wakers) => wakers.into_iter().for_each(wake),
            }
            self.lock().firing = false;
        }
    }

    fn step(&self, inner: &mut Inner, clock: &Shared) -> Step {
        if inner.firing || self.is_over() || self.busy.load(SeqCst) != 0 {
            return Step::Nothing;
        }
        let step =
            if inner.advances.is_empty() { self.jump(inner, clock) } else { inner.advance() };
        inner.firing = matches!(step, Step::Wake(_));
        step
    }

    fn jump(&self, inner: &mut Inner, clock: &Shared) -> Step {
        let jumps = inner.pauses.last().is_some_and(|jumps| *jumps);
        let driven = clock.drivers.load(SeqCst) != 0;
        let Some(next) = inner.next().filter(|_| jumps && driven) else { return Step::Nothing };
        if clock.has_outside_work() {
            return Step::Nothing;
        }
        let polls = self.polls.load(SeqCst);
        match inner.probe {
            Probe::UnderWay(_) => Step::Nothing,
            Probe::Clean(since) if since == polls => {
                inner.probe = Probe::Unknown;
                inner.fired.clear();
                inner.fire(next)
            }
            Probe::Unknown | Probe::Clean(_) => {
                inner.probe = Probe::UnderWay(polls);
                Step::Ping
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, HashMap<task::Id, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    fn next(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(deadline, _)| *deadline)
    }

    fn advance(&mut self) -> Step {
        let next = self.next();
        let Some(request) = self.advances.front_mut() else { return Step::Nothing };
        if !self.fired.is_empty() {
            // Those who wait for them are no tasks of the loop: who advances waits
            // until they came.
            return match request.linger() {
                Some(waker) => Step::Wake(vec![waker]),
                None => Step::Nothing,
            };
        }
        let target = request.target(self.now);
        match next.filter(|next| *next <= target) {
            Some(next) => self.fire(next),
            None => {
                self.now = self.now.max(target);
                let done = self.advances.pop_front();
                Step::Wake(done.map(Request::done).into_iter().collect())
            }
        }
    }

    /// Lets all whose deadline is `next` see that it has come.
    fn fire(&mut self, next: Instant) -> Step {
        self.now = self.now.max(next);
        let later = self.queue.split_off(&(self.now, u64::MAX));
        let due = std::mem::replace(&mut self.queue, later);
        self.fired.extend(due.keys().map(|(_, key)| *key));
        Step::Wake(due.into_values().collect())
    }

    /// Waits no longer for those who did not come.
    pub(super) fn give_up(&mut self) {
        self.fired.clear();
    }

    pub(super) fn all_came(&self) -> bool {
        self.fired.is_empty()
    }
}

pub(super) fn wake(waker: Waker) {
    // A waker is foreign code: one that panics harms nobody else.
    quietly(|| waker.wake());
}
