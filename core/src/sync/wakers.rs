//! Wakers that are kept for the code that wakes.

use std::mem;
use std::ops::DerefMut;
use std::task::Waker;

use slab::Slab;

use super::{Mutex, wake};

/// Stores `waker` behind a lock, and releases the lock.
///
/// Cloning or dropping a waker may run any code, which may take the same lock: so both happen
/// outside the lock. Returns false if it had to clone the waker for `clone` and has not stored it
/// yet: the awaited event may have happened meanwhile, so check for it again first.
pub fn leave<S: ?Sized>(
    mut state: impl DerefMut<Target = S>,
    place: impl FnOnce(&mut S) -> &mut Option<Waker>,
    clone: &mut Option<Waker>,
    waker: &Waker,
) -> bool {
    let held = place(&mut state);
    if held.as_ref().is_some_and(|held| held.will_wake(waker)) {
        return true;
    }
    let Some(ours) = clone.take() else {
        drop(state);
        *clone = Some(waker.clone());
        return false;
    };
    let former = held.replace(ours);
    drop(state);
    drop(former);
    true
}

/// Which waker it is, by its two addresses. Not by those of a clone, as
/// [`Waker::will_wake`] does: executors lend wakers whose clones have another table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakerId {
    pub(crate) data: usize,
    /// 0: no waker.
    pub(crate) table: usize,
}

impl WakerId {
    /// A waker that is never recognised: no table is at 1.
    const UNKNOWN: Self = Self { data: 0, table: 1 };

    #[inline]
    pub fn of(waker: &Waker) -> Self {
        let table = std::ptr::from_ref(waker.vtable()) as usize;
        Self { data: waker.data() as usize, table }
    }

    /// Returns that of `lent` if `clone`, which is kept, keeps its data alive: then the addresses
    /// mean this waker for as long. Else they may come to mean another.
    #[inline]
    pub fn kept(lent: &Waker, clone: &Waker) -> Self {
        if lent.data() == clone.data() { Self::of(lent) } else { Self::UNKNOWN }
    }
}

/// The wakers of many tasks that wait for one thing. Joining, leaving and waking cost O(1) each.
#[derive(Debug, Default)]
pub struct Wakers {
    /// `None` once woken.
    slots: Mutex<Slab<Option<Waker>>>,
}

/// A seat in a [`Wakers`]: whoever has one gives it back with [`Wakers::leave`].
#[derive(Debug)]
pub struct Seat(usize);

impl Wakers {
    /// Remembers `waker`, in a seat that is taken at the first call.
    pub fn join(&self, seat: &mut Option<Seat>, waker: &Waker) {
        // Before the lock: to clone a waker may run any code.
        let clone = waker.clone();
        let mut slots = self.slots.lock();
        if slots.capacity() == 0 {
            // Of most things one task waits; a vector would begin with four.
            slots.reserve_exact(1);
        }
        let Seat(key) = seat.get_or_insert_with(|| Seat(slots.insert(None)));
        let Some(slot) = slots.get_mut(*key) else { return };
        if slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let former = slot.replace(clone);
        // A waker that is dropped may run code of an executor: outside the lock.
        drop(slots);
        drop(former);
    }

    /// Gives a seat back.
    pub fn leave(&self, seat: &mut Option<Seat>) {
        let Some(Seat(key)) = seat.take() else { return };
        let former = self.slots.lock().try_remove(key);
        drop(former);
    }

    /// Wakes all. A waker that panics harms nobody else.
    pub fn wake_all(&self) {
        let wakers: Vec<_> =
            self.slots.lock().iter_mut().map(|(_, waker)| mem::take(waker)).collect();
        wakers.into_iter().for_each(wake);
    }
}
