//! Wakers of many tasks that wait for one thing.

use std::mem;
use std::num::NonZero;
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
    vacant: Option<Number>,
}

#[derive(Debug)]
enum Slot {
    Vacant {
        next: Option<Number>,
    },
    /// `None` once woken.
    Taken(Option<Waker>),
}

/// A place in a [`Wakers`]: whoever has one gives it back with [`Wakers::leave`].
#[derive(Debug)]
pub(super) struct Place(Number);

/// Which slot, from 1: so that none takes no room of its own.
type Number = NonZero<usize>;

impl Wakers {
    /// Remembers `waker`, in a place that is taken at the first call.
    pub(super) fn join(&self, place: &mut Option<Place>, waker: &Waker) {
        // Before the lock: to clone a waker may run any code.
        let clone = waker.clone();
        let mut slots = lock(&self.slots);
        let number = match place {
            Some(Place(number)) => *number,
            None => {
                let number = slots.take();
                *place = Some(Place(number));
                number
            }
        };
        let Some(slot) = slots.slot(number) else { return };
        let former = match slot {
            Slot::Taken(Some(known)) if known.will_wake(waker) => return,
            _ => mem::replace(slot, Slot::Taken(Some(clone))),
        };
        // A waker that is dropped may run code of an executor: outside the lock.
        drop(slots);
        drop(former);
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: &mut Option<Place>) {
        let Some(Place(number)) = place.take() else { return };
        let mut slots = lock(&self.slots);
        let next = slots.vacant;
        let former = slots.slot(number).map(|slot| mem::replace(slot, Slot::Vacant { next }));
        slots.vacant = Some(number);
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
    fn take(&mut self) -> Number {
        if let Some(number) = self.vacant {
            if let Some(&mut Slot::Vacant { next }) = self.slot(number) {
                self.vacant = next;
                return number;
            }
        }
        if self.slots.is_empty() {
            // Of most things one task waits; a vector would begin with four.
            self.slots.reserve_exact(1);
        }
        self.slots.push(Slot::Taken(None));
        // There is one at least.
        Number::new(self.slots.len()).unwrap_or(Number::MIN)
    }

    fn slot(&mut self, number: Number) -> Option<&mut Slot> {
        self.slots.get_mut(number.get() - 1)
    }
}

/// Calls code of others, whose panic must not end what we do for the rest.
pub(super) fn isolated(what: &str, f: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(f)).is_err() {
        log::error!("{what} of a child watcher panicked; the other children are not concerned");
    }
}
