//! Who waits for which signal, and who reads the bell for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use super::bell::LISTENERS;
use super::handler::slot;
use crate::LoopId;
use crate::local::fork_generation;
use crate::sync::{Mutex, MutexGuard};
use crate::task::AbortHandle;

static HUB: Mutex<Hub> = Mutex::new(Hub::new());

/// Counts the times that a reader went and all who wait have to look for another.
static LOST_READERS: AtomicU64 = AtomicU64::new(0);

pub(super) struct Hub {
    /// A forked child has its own listeners, loops and threads.
    pub(super) generation: u64,
    last_id: u64,
    /// By slot and number.
    waiting: BTreeMap<(usize, u64), Waiting>,
    pub(super) readers: Vec<Reader>,
    pub(super) thread: Thread,
}

struct Waiting {
    seen: u64,
    waker: Option<Waker>,
}

/// A task that reads the bell, on a loop.
pub(super) struct Reader {
    pub(super) id: u64,
    pub(super) event_loop: LoopId,
    pub(super) state: ReaderState,
}

pub(super) enum ReaderState {
    Starting,
    Reads(AbortHandle),
    /// The loop can't: the thread does it.
    Refused,
}

pub(super) struct Thread {
    pub(super) is_there: bool,
    pub(super) is_needed: bool,
    /// Signals that only this thread may get, since others block them, and how many
    /// wait for each.
    pub(super) unblocked: BTreeMap<i32, usize>,
}

/// Where a listener waits.
#[derive(Debug)]
pub(super) struct Post {
    slot: usize,
    id: u64,
    generation: u64,
}

/// What a look at the count gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It came so many times since the last look that gave this.
    Came(u64),
    /// The waker is kept.
    Waits,
    /// The listener is of the process that forked this one.
    Forked,
}

impl Hub {
    const fn new() -> Self {
        Self {
            generation: 0,
            last_id: 0,
            waiting: BTreeMap::new(),
            readers: Vec::new(),
            thread: Thread { is_there: false, is_needed: false, unblocked: BTreeMap::new() },
        }
    }

    pub(super) fn has_listeners(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Locks the hub, as that of this process.
pub(super) fn hub() -> MutexGuard<'static, Hub> {
    let mut hub = HUB.lock();
    let generation = fork_generation();
    if hub.generation != generation {
        let last_id = hub.last_id;
        // Not dropped: wakers and handles of the parent's loops, which may expect their
        // threads.
        std::mem::forget(std::mem::replace(&mut *hub, Hub { generation, last_id, ..Hub::new() }));
    }
    hub
}

impl Post {
    /// From now on, what comes counts.
    pub(super) fn new(slot: usize) -> Self {
        let mut hub = hub();
        let (id, generation) = (hub.new_id(), hub.generation);
        hub.waiting.insert((slot, id), Waiting { seen: count(slot), waker: None });
        Self { slot, id, generation }
    }

    /// Looks whether it came, and keeps `waker` if it did not.
    pub(super) fn look(&self, waker: &Waker) -> Look {
        let mut clone = None;
        loop {
            let mut hub = hub();
            let Some(waiting) = hub.waiting.get_mut(&(self.slot, self.id)) else {
                return Look::Forked;
            };
            let count = count(self.slot);
            if count != waiting.seen {
                let times = count.wrapping_sub(waiting.seen);
                waiting.seen = count;
                let former = waiting.waker.take();
                // A waker that is dropped may run code of an executor: outside the lock.
                drop(hub);
                drop(former);
                return Look::Came(times);
            }
            // So may one that is cloned.
            if waiting.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                return Look::Waits;
            }
            let Some(clone) = clone.take() else {
                drop(hub);
                clone = Some(waker.clone());
                continue;
            };
            let former = waiting.waker.replace(clone);
            drop(hub);
            drop(former);
            return Look::Waits;
        }
    }

    /// Returns how often it has come, ever: without the lock.
    pub(super) fn count(&self) -> u64 {
        count(self.slot)
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let mut hub = hub();
        if hub.generation != self.generation {
            return;
        }
        let gone = hub.waiting.remove(&(self.slot, self.id));
        let mut readers = Vec::new();
        if !hub.has_listeners() {
            readers = std::mem::take(&mut hub.readers);
            hub.thread.is_needed = false;
            if hub.thread.is_there {
                LISTENERS.ring();
            }
        }
        drop(hub);
        drop(gone);
        for reader in readers {
            if let ReaderState::Reads(task) = reader.state {
                task.abort();
            }
        }
    }
}

/// Takes the bytes off the bell, and wakes whose signal came: whoever reads does it for
/// all, since the others may find no byte left.
pub(super) fn tell() -> usize {
    let rung = LISTENERS.silence();
    wake(|slot, waiting| count(slot) != waiting.seen);
    rung
}

/// Wakes all who wait: a reader has gone, and they see whether they have another.
pub(super) fn look_for_readers() {
    LOST_READERS.fetch_add(1, Ordering::AcqRel);
    wake(|_, _| true);
}

pub(super) fn lost_readers() -> u64 {
    LOST_READERS.load(Ordering::Acquire)
}

fn wake(is_meant: impl Fn(usize, &Waiting) -> bool) {
    let wakers: Vec<Waker> = hub()
        .waiting
        .iter_mut()
        .filter(|((slot, _), waiting)| is_meant(*slot, waiting))
        .filter_map(|(_, waiting)| waiting.waker.take())
        .collect();
    wakers.into_iter().for_each(crate::sync::wake);
}

fn count(at: usize) -> u64 {
    slot(at).count.load(Ordering::Acquire)
}
