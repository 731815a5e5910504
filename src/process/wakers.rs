//! Wakers of many tasks that wait for one thing.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic: what these locks guard is whole between any two
/// statements.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A set of wakers. Joining, leaving and waking cost O(1) each.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    /// The first of the vacant slots.
    vacant: Option<usize>,
}

#[derive(Debug)]
enum Slot {
    Vacant {
        next: Option<usize>,
    },
    /// `None` once woken.
    Taken(Option<Waker>),
}

/// A place in a [`Wakers`]: whoever has one gives it back with [`Wakers::leave`].
#[derive(Debug)]
pub(super) struct Place(usize);

impl Wakers {
    /// Remembers `waker`, in a place that is taken at the first call.
    pub(super) fn join(&self, place: &mut Option<Place>, waker: &Waker) {
        let mut slots = lock(&self.slots);
        let at = match place {
            Some(Place(at)) => *at,
            None => {
                let at = slots.take();
                *place = Some(Place(at));
                at
            }
        };
        let Some(slot) = slots.slots.get_mut(at) else { return };
        let former = match slot {
            Slot::Taken(Some(known)) if known.will_wake(waker) => return,
            _ => mem::replace(slot, Slot::Taken(Some(waker.clone()))),
        };
        // A waker that is dropped may run code of an executor: outside the lock.
        drop(slots);
        drop(former);
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: &mut Option<Place>) {
        let Some(Place(at)) = place.take() else { return };
        let mut slots = lock(&self.slots);
        let next = slots.vacant;
        let former = slots.slots.get_mut(at).map(|slot| mem::replace(slot, Slot::Vacant { next }));
        slots.vacant = Some(at);
        drop(slots);
        drop(former);
    }

    /// Wakes all. A waker that panics harms nobody else.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<Waker> = lock(&self.slots)
            .slots
            .iter_mut()
            .filter_map(|slot| match slot {
                Slot::Taken(waker) => waker.take(),
                Slot::Vacant { .. } => None,
            })
            .collect();
        for waker in wakers {
            isolated("a waker", || waker.wake());
        }
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        if let Some(at) = self.vacant {
            if let Some(Slot::Vacant { next }) = self.slots.get(at) {
                self.vacant = *next;
                return at;
            }
        }
        self.slots.push(Slot::Taken(None));
        self.slots.len() - 1
    }
}

/// Calls code of others, whose panic must not end what we do for the rest.
pub(super) fn isolated(what: &str, f: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(f)).is_err() {
        log::error!("{what} of a child watcher panicked; the other children are not concerned");
    }
}
