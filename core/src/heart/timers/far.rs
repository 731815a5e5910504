//! The slots: lists of timers whose time is some ticks away.
//!
//! A tick is a number of 44 bits: eight digits to the base of 64, and a level for each.
//! Relative to a *front*, the tick up to which all has been taken out, a timer waits at the
//! level of the first digit in which its tick differs from the front, in the slot of this
//! digit. From this follows what the rest stands on:
//!
//! - all timers of a level are earlier than those of the next one, and all of a slot earlier
//!   than those of the next slot: the first occupied slot has the earliest timer;
//! - a front that moves on without reaching an occupied slot leaves all timers where they
//!   belong: ticks without timers cost nothing, however many they are;
//! - there is no tick that has no level, so there is no list of what is farther still.

use std::time::Instant;

use super::entries::{Entries, NONE, Position};

/// The bits of a digit: the occupied slots of a level are the bits of one word.
const DIGIT: u32 = 6;
const SLOTS: usize = 1 << DIGIT;
/// As many as the digits of [`LAST_TICK`].
const LEVELS: usize = 8;

/// How many nanoseconds a tick is, as a power of two: about a millisecond.
///
/// It is not how exact timers are. It decides how many of them are in the heap at a time.
pub(super) const TICK: u32 = 20;

/// The tick of all that is 584 years ahead, and farther.
pub(super) const LAST_TICK: u64 = u64::MAX >> TICK;

#[derive(Debug)]
pub(super) struct Far {
    /// For each level, which of its slots have timers.
    occupied: [u64; LEVELS],
    lists: Box<[List; LEVELS * SLOTS]>,
}

/// A slot that is occupied: at `first_tick`, its earliest timers may be due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    number: u16,
    pub(super) first_tick: u64,
}

/// Timers of a slot, in the order in which they came there.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: Self = Self { first: NONE, last: NONE };
}

impl Far {
    pub(super) fn new() -> Self {
        Self { occupied: [0; LEVELS], lists: Box::new([List::EMPTY; LEVELS * SLOTS]) }
    }

    /// The slot of a tick after `front`.
    #[inline]
    pub(super) fn slot_of(tick: u64, front: u64) -> u16 {
        let level = (tick ^ front).checked_ilog2().unwrap_or(0) / DIGIT;
        let digit = (tick >> (level * DIGIT)) as usize % SLOTS;
        // Less than 512.
        (level as usize * SLOTS + digit) as u16
    }

    /// Appends a timer that is nowhere.
    #[inline]
    pub(super) fn push<T>(&mut self, slot: u16, index: u32, entries: &mut Entries<T>) {
        let Some(list) = self.lists.get_mut(slot as usize) else { return };
        let Some(entry) = entries.get_mut(index) else { return };
        entry.place = Position::Far(slot);
        entry.next = NONE;
        entry.previous = list.last;
        match entries.get_mut(list.last) {
            Some(last) => last.next = index,
            None => {
                list.first = index;
                if let Some(occupied) = self.occupied.get_mut(slot as usize / SLOTS) {
                    *occupied |= 1 << (slot as usize % SLOTS);
                }
            }
        }
        list.last = index;
    }

    /// Takes a timer out of the list of its slot.
    #[inline]
    pub(super) fn remove<T>(&mut self, slot: u16, index: u32, entries: &mut Entries<T>) {
        let Some(list) = self.lists.get_mut(slot as usize) else { return };
        let Some(entry) = entries.get(index) else { return };
        let (previous, next) = (entry.previous, entry.next);
        match entries.get_mut(previous) {
            Some(entry) => entry.next = next,
            None => list.first = next,
        }
        match entries.get_mut(next) {
            Some(entry) => entry.previous = previous,
            None => list.last = previous,
        }
        if list.first == NONE {
            self.vacate(slot);
        }
    }

    /// The occupied slot with the earliest timers. `front` is what they were put in by.
    #[inline]
    pub(super) fn first(&self, front: u64) -> Option<Slot> {
        let (level, occupied) = (0..).zip(self.occupied).find(|(_, occupied)| *occupied != 0)?;
        let digit = occupied.trailing_zeros();
        let shift = level * DIGIT;
        let above = front >> (shift + DIGIT) << (shift + DIGIT);
        Some(Slot {
            number: (level as usize * SLOTS) as u16 + digit as u16,
            first_tick: above | u64::from(digit) << shift,
        })
    }

    /// The deadlines of a slot.
    pub(super) fn deadlines<T>(
        &self,
        slot: Slot,
        entries: &Entries<T>,
    ) -> impl Iterator<Item = Instant> {
        let mut index = self.lists.get(slot.number as usize).map_or(NONE, |list| list.first);
        std::iter::from_fn(move || {
            let entry = entries.get(index)?;
            index = entry.next;
            Some(entry.deadline)
        })
    }

    /// Empties a slot. Its timers are still chained, from the one given; they belong to no
    /// slot any more.
    pub(super) fn take(&mut self, slot: Slot) -> u32 {
        self.vacate(slot.number);
        self.lists
            .get_mut(slot.number as usize)
            .map_or(NONE, |list| std::mem::replace(list, List::EMPTY).first)
    }

    pub(super) fn clear(&mut self) {
        self.occupied.fill(0);
        self.lists.fill(List::EMPTY);
    }

    fn vacate(&mut self, slot: u16) {
        if let Some(occupied) = self.occupied.get_mut(slot as usize / SLOTS) {
            *occupied &= !(1 << (slot as usize % SLOTS));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_tick_has_a_slot_and_the_slot_begins_no_later() {
        let fronts = [0, 1, 63, 64, 4095, 1 << 30, (1 << 43) | 77, LAST_TICK - 1];
        for front in fronts {
            for bits in 0..=43 {
                for tick in [front + 1, front | 1 << bits, (1 << bits) - 1, LAST_TICK] {
                    if tick <= front || tick > LAST_TICK {
                        continue;
                    }
                    let mut entries = Entries::new();
                    let key = entries.insert(Instant::now(), 0, ());
                    let index = entries.find(key).unwrap();
                    let mut far = Far::new();
                    far.push(Far::slot_of(tick, front), index, &mut entries);
                    let slot = far.first(front).unwrap();
                    assert!(front < slot.first_tick && slot.first_tick <= tick, "{front} {tick}");
                    assert_eq!(far.take(slot), index);
                    assert!(far.first(front).is_none());
                }
            }
        }
    }
}
