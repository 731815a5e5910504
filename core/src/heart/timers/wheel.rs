//! All timers of a loop: made, moved, removed and fired in order.

use std::fmt;
use std::time::{Duration, Instant};

use super::entries::{Entries, Key, NONE, Position};
use super::far::{Far, LAST_TICK, TICK};
use super::near::Near;

/// How many timers of a slot [`Wheel::next`] looks at before it gives the slot's beginning.
const FEW: usize = 8;

/// A queue of payloads, each with a deadline: a hierarchical timing wheel.
///
/// Deadlines are exact, to the nanosecond, and any [`Instant`] is one. The wheel takes no
/// time of its own: what it is given as `now` is the time, so a clock may stand still, jump
/// or even go back.
///
/// It runs no code of its payloads: what it lets go of, it hands to the caller, who can
/// drop it where no lock is held.
///
/// Memory is kept for as many timers as waited at a time: a timer costs no allocation once
/// there were that many.
pub(crate) struct Wheel<T> {
    /// Where ticks are counted from. What is earlier belongs to the first of them.
    origin: Instant,
    /// The timers of all ticks up to this one are in `near`, those of later ones in `far`.
    front: u64,
    /// How many timers were made or moved: equal deadlines keep their order.
    made: u64,
    entries: Entries<T>,
    near: Near,
    far: Far,
}

impl<T> Wheel<T> {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            origin,
            front: 0,
            made: 0,
            entries: Entries::new(),
            near: Near::default(),
            far: Far::new(),
        }
    }

    /// How many timers wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a timer. A deadline that has passed is due at the next [`fire`](Self::fire).
    pub(crate) fn insert(&mut self, deadline: Instant, payload: T) -> Key {
        let number = self.number();
        let key = self.entries.insert(deadline, number, payload);
        if let Some(index) = self.entries.find(key) {
            self.attach(index, self.tick(deadline));
        }
        key
    }

    /// The payload of a timer that waits.
    pub(crate) fn payload_mut(&mut self, key: Key) -> Option<&mut T> {
        let index = self.entries.find(key)?;
        self.entries.get_mut(index)?.payload.as_mut()
    }

    /// Moves a timer that waits, which becomes the last one made. False if it does not wait.
    pub(crate) fn reset(&mut self, key: Key, deadline: Instant) -> bool {
        let Some(index) = self.entries.find(key) else { return false };
        let tick = self.tick(deadline);
        let number = self.number();
        let Some(entry) = self.entries.get_mut(index) else { return false };
        entry.deadline = deadline;
        entry.number = number;
        // A time-out that begins anew with each packet mostly stays in its slot, where the
        // order does not matter.
        let place = entry.place;
        if tick <= self.front || place != Position::Far(Far::slot_of(tick, self.front)) {
            self.detach(index, place);
            self.attach(index, tick);
        }
        true
    }

    /// Removes a timer. `None` if it was fired or removed.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.entries.find(key)?;
        let place = self.entries.get(index)?.place;
        self.detach(index, place);
        self.entries.release(index)
    }

    /// Removes all timers, in no order. Their keys name nothing from then on.
    pub(crate) fn drain(&mut self, into: &mut Vec<T>) {
        self.near.clear();
        self.far.clear();
        self.entries.drain(into);
    }

    /// When to call [`fire`](Self::fire) next: the earliest deadline, or earlier.
    ///
    /// It is exact once the tick (a millisecond) of the earliest timer has come, and before
    /// that if at most eight timers are in its slot. Otherwise it is the beginning of the
    /// slot: of its tick, if that is less than 64 ticks ahead, and of ever longer times the
    /// farther it is. A wake there is in vain, but it spreads the slot, and more than eight
    /// timers share it. A loop with few timers never has one.
    ///
    /// After a [`fire`](Self::fire) that left nothing due, it is later than that `now`.
    pub(crate) fn next(&self) -> Option<Instant> {
        if let Some(first) = self.near.first() {
            return Some(first.deadline);
        }
        let slot = self.far.first(self.front)?;
        let mut deadlines = self.far.deadlines(slot, &self.entries);
        let few = deadlines.by_ref().take(FEW).min()?;
        if deadlines.next().is_none() {
            return Some(few);
        }
        // Deadlines of this slot are not earlier, so it is an `Instant`.
        self.origin.checked_add(Duration::from_nanos(slot.first_tick << TICK)).or(Some(few))
    }

    /// The earliest deadline. It may look at all timers that are near the earliest one.
    pub(crate) fn earliest_exact(&self) -> Option<Instant> {
        if let Some(first) = self.near.first() {
            return Some(first.deadline);
        }
        let slot = self.far.first(self.front)?;
        self.far.deadlines(slot, &self.entries).min()
    }

    /// Takes out what is due, in the order of deadlines, and of making where they are equal.
    ///
    /// Takes no more than `limit`; true if more is due. Time that has passed without timers
    /// costs nothing. Timers that come near are moved on the way, each of them at most
    /// eight times in its life.
    pub(crate) fn fire(&mut self, now: Instant, fired: &mut Vec<T>, limit: usize) -> bool {
        let until = self.tick(now);
        let mut left = limit;
        loop {
            let Some(first) = self.near.first() else {
                if self.advance(until) {
                    continue;
                }
                return false;
            };
            // The front is never behind the first timer here, so nothing in a slot is
            // earlier than it.
            if first.deadline > now {
                return false;
            }
            if left == 0 {
                return true;
            }
            left -= 1;
            self.near.remove(0, &mut self.entries);
            fired.extend(self.entries.release(first.index));
        }
    }

    /// Moves the front to the next timers that it meets until a tick. False if it meets none.
    ///
    /// They are nearer then, not necessarily due.
    fn advance(&mut self, until: u64) -> bool {
        let met = self.far.first(self.front).filter(|slot| slot.first_tick <= until);
        let Some(slot) = met else {
            self.front = self.front.max(until);
            return false;
        };
        self.front = slot.first_tick;
        let mut index = self.far.take(slot);
        while let Some(entry) = self.entries.get(index) {
            let (deadline, next) = (entry.deadline, entry.next);
            self.attach(index, self.tick(deadline));
            index = next;
        }
        debug_assert_eq!(index, NONE);
        true
    }

    fn attach(&mut self, index: u32, tick: u64) {
        if tick <= self.front {
            self.near.push(index, &mut self.entries);
        } else {
            self.far.push(Far::slot_of(tick, self.front), index, &mut self.entries);
        }
    }

    fn detach(&mut self, index: u32, place: Position) {
        match place {
            Position::Nowhere => {}
            Position::Near(position) => self.near.remove(position, &mut self.entries),
            Position::Far(slot) => self.far.remove(slot, index, &mut self.entries),
        }
    }

    /// The tick in which an instant is. What is too far for a number is in the last one:
    /// there as in each tick, the deadline decides.
    fn tick(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        since
            .as_secs()
            .checked_mul(1_000_000_000)
            .and_then(|nanos| nanos.checked_add(u64::from(since.subsec_nanos())))
            .map_or(LAST_TICK, |nanos| nanos >> TICK)
    }

    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("len", &self.len()).field("next", &self.next()).finish()
    }
}
