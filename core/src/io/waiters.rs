//! Any number of tasks that wait for one direction of a source.
//!
//! A source keeps one waker for each direction, and the one that came last. As long as
//! one task waits, it is given that task's own. When a second comes it is given a
//! *relay*, which wakes all who are in its queue.
//!
//! What must hold in every interleaving: whoever waits has its waker in the source, or
//! in the queue while the relay is in the source, or was woken since it was polled. So:
//!
//! - who takes another's place in the source wakes it;
//! - who finds, after its poll, that others have come meanwhile can't know whose waker is
//!   in the source now: it wakes them all, and is polled again if it is to wait.
//!
//! A wake too many costs a poll; one too few is a task that sleeps for ever.
//! `tests/models` looks at this file under a model checker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::heart::executors::is_executors;
use crate::sync::wakers::WakerId;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, SeqCst, wake};

/// Who waits for one direction.
pub(super) struct Waiters {
    /// Goes on by two whenever somebody comes or goes; odd while that is under way.
    version: AtomicUsize,
    /// By which addresses the sole waiter's waker is known again without the lock.
    data: AtomicUsize,
    table: AtomicUsize,
    /// Whether the sole waiter was ever told to wait. Not cleared when it need not any
    /// more: another of the same task may.
    waits: AtomicBool,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    /// Whose waker the source has, unless it is the relay's turn.
    sole: Option<Waker>,
    /// Somebody was in the place of the sole waiter before.
    is_contested: bool,
    /// Made when it is needed: of most sources it never is.
    relay: Option<Arc<Relay>>,
    is_relayed: bool,
    /// How many turns the queue has been empty.
    calm: u8,
}

/// After so many turns with an empty queue a sole waiter is on its own again: tasks that
/// share a source empty the queue, too, and come back to it.
const CALM: u8 = 16;

enum Turn {
    /// With the waker of the task itself, at this version.
    Direct(usize),
    /// With the relay's, which had woken so often.
    Relayed(Arc<Relay>, usize),
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self {
            version: AtomicUsize::new(0),
            data: AtomicUsize::new(0),
            table: AtomicUsize::new(0),
            waits: AtomicBool::new(false),
            slot: Mutex::new(Slot::default()),
        }
    }

    /// Calls `poll`, which polls the source, and remembers the task if it is to wait.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        for _ in 0..2 {
            let (polled, is_remembered) = match self.come(cx.waker()) {
                Turn::Direct(version) => {
                    let polled = poll(cx);
                    let is_remembered = self.end(version, polled.is_pending());
                    (polled, is_remembered)
                }
                Turn::Relayed(relay, wakes) => {
                    let waker = Waker::from(relay.clone());
                    let polled = poll(&mut Context::from_waker(&waker));
                    let waits = polled.is_pending().then_some(cx.waker());
                    (polled, self.end_relayed(&relay, wakes, waits))
                }
            };
            if is_remembered || polled.is_ready() {
                return polled;
            }
        }
        // Ready again and again, and nothing to be had: others should have a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes a waker out of the queue: who left it waits no more.
    pub(super) fn leave(&self, waker: &Waker) {
        let relay = self.slot.lock().relay.clone();
        // Another part of the same task may wait with the same waker.
        wake(relay.and_then(|relay| relay.0.lock().take(waker)));
    }

    /// Returns the version, if the waker is the sole waiter's: then the source may be
    /// polled as it is, and what comes of it is told to [`end`](Self::end).
    #[inline]
    pub(super) fn knows(&self, waker: &Waker) -> Option<usize> {
        let version = self.version.load(SeqCst);
        let WakerId { data, table } = WakerId::of(waker);
        // All of one moment: the version is the same after as before. The clone in the
        // slot keeps what the addresses mean.
        let is_known = self.data.load(SeqCst) == data
            && self.table.load(SeqCst) == table
            && self.version.load(SeqCst) == version
            && version & 1 == 0;
        is_known.then_some(version)
    }

    fn come(&self, waker: &Waker) -> Turn {
        // Before the lock, and dropped after it: either may run any code.
        let mut clone = is_executors(waker).then(|| waker.clone());
        let mut slot = self.slot.lock();
        if slot.is_relayed {
            return self.come_to_relay(slot, waker, &mut clone);
        }
        if let Some(version) = self.knows(waker) {
            return Turn::Direct(version);
        }
        let is_shared = slot.is_contested && self.waits.load(SeqCst);
        if let Some(clone) = clone.take_if(|_| !is_shared) {
            let (former, waited, version) = self.change(&mut slot, Some((waker, clone)));
            slot.is_contested |= waited;
            drop(slot);
            // Most often it waits no more: a task has given the source to another.
            wake(former.filter(|_| waited));
            return Turn::Direct(version);
        }
        let (former, waited, _) = self.change(&mut slot, None);
        slot.is_relayed = true;
        slot.calm = 0;
        let relay = slot.relay.get_or_insert_default().clone();
        let mut queue = relay.0.lock();
        let gone = if waited {
            queue.wakers.extend(former);
            None
        } else {
            former
        };
        let wakes = queue.wakes;
        drop((queue, slot));
        drop(gone);
        Turn::Relayed(relay, wakes)
    }

    fn come_to_relay(
        &self,
        mut slot: MutexGuard<'_, Slot>,
        waker: &Waker,
        clone: &mut Option<Waker>,
    ) -> Turn {
        let relay = slot.relay.get_or_insert_default().clone();
        let mut queue = relay.0.lock();
        slot.calm = if queue.wakers.is_empty() { slot.calm.saturating_add(1) } else { 0 };
        let Some(clone) = clone.take_if(|_| slot.calm >= CALM) else {
            let wakes = queue.wakes;
            drop(queue);
            return Turn::Relayed(relay, wakes);
        };
        // Whoever is being polled by the relay now does not come into the queue any more.
        queue.wakes = queue.wakes.wrapping_add(1);
        drop(queue);
        slot.is_relayed = false;
        slot.is_contested = false;
        let (_nobody, _, version) = self.change(&mut slot, Some((waker, clone)));
        Turn::Direct(version)
    }

    /// Returns false if the task may be forgotten, and is to be polled again.
    #[inline]
    pub(super) fn end(&self, version: usize, is_pending: bool) -> bool {
        // Before the version is looked at: who takes its place changes that, and then
        // looks at this. Mostly it is set already, and a load is cheaper.
        if is_pending && !self.waits.load(SeqCst) {
            self.waits.swap(true, SeqCst);
        }
        if self.version.load(SeqCst) == version {
            return true;
        }
        self.wake_all();
        false
    }

    fn end_relayed(&self, relay: &Relay, wakes: usize, waits: Option<&Waker>) -> bool {
        // Before the lock, and dropped after it: either may run any code.
        let mut clone = waits.cloned();
        let mut queue = relay.0.lock();
        if queue.wakes == wakes {
            queue.join(&mut clone);
            return true;
        }
        drop(queue);
        // The relay may be in the source now instead of a sole waiter.
        if !self.slot.lock().is_relayed {
            self.wake_all();
        }
        false
    }

    #[cold]
    pub(super) fn wake_all(&self) {
        let mut slot = self.slot.lock();
        let (sole, _, _) = self.change(&mut slot, None);
        let relay = slot.relay.clone();
        drop(slot);
        wake(sole);
        if let Some(relay) = relay {
            relay.wake_by_ref();
        }
    }

    /// Puts another into the place of the sole waiter. Returns that, and whether it may
    /// wait, and the new version.
    fn change(
        &self,
        slot: &mut Slot,
        waker: Option<(&Waker, Waker)>,
    ) -> (Option<Waker>, bool, usize) {
        let known = waker.as_ref().map(|(lent, clone)| WakerId::kept(lent, clone));
        let WakerId { data, table } = known.unwrap_or_default();
        self.version.fetch_add(1, SeqCst);
        // After the version: see `end`.
        let waited = self.waits.swap(false, SeqCst);
        self.data.store(data, SeqCst);
        self.table.store(table, SeqCst);
        let former = std::mem::replace(&mut slot.sole, waker.map(|(_, clone)| clone));
        let version = self.version.fetch_add(1, SeqCst).wrapping_add(1);
        (former, waited, version)
    }
}

/// What the source is given where several wait: wakes all who are in the queue.
#[derive(Default)]
struct Relay(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    wakers: VecDeque<Waker>,
    /// How often it woke: what happened since somebody looked.
    wakes: usize,
}

impl Queue {
    fn join(&mut self, waker: &mut Option<Waker>) {
        let ours = waker.take_if(|ours| !self.wakers.iter().any(|known| known.will_wake(ours)));
        self.wakers.extend(ours);
    }

    fn take(&mut self, waker: &Waker) -> Option<Waker> {
        let at = self.wakers.iter().position(|known| known.will_wake(waker))?;
        self.wakers.remove(at)
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut left = {
            let mut queue = self.0.lock();
            queue.wakes = queue.wakes.wrapping_add(1);
            queue.wakers.len()
        };
        // One by one, from the front: outside the lock, and without a list of their own.
        // Who comes back meanwhile is behind them, and waits for the next time.
        while left > 0 {
            let Some(waker) = self.0.lock().wakers.pop_front() else { break };
            wake(waker);
            left -= 1;
        }
    }
}
