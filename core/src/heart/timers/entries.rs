//! Where the timers are kept: a slab whose keys are good for one timer only.

use std::num::NonZeroU32;
use std::time::Instant;

/// An index that no entry has: the end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// Names one timer of one wheel.
///
/// Once the timer is fired or removed, its key names nothing, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    // Never zero: an `Option<Key>` is no larger.
    generation: NonZeroU32,
}

/// A slab of timers.
#[derive(Debug)]
pub(super) struct Entries<T> {
    all: Vec<Entry<T>>,
    /// The first of the free entries, which are chained by `next`.
    free: u32,
    len: usize,
}

/// A timer, or the room for one. One cache line, if its payload is a waker.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) deadline: Instant,
    /// Its place in the order of making.
    pub(super) number: u64,
    /// `None` if the entry is free.
    pub(super) payload: Option<T>,
    /// What the key of this timer, or of the next one here, has to show. `None`: there is
    /// no next one.
    generation: Option<NonZeroU32>,
    pub(super) place: Position,
    /// Neighbours in the list of a slot.
    pub(super) previous: u32,
    pub(super) next: u32,
}

/// Where a timer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Nowhere,
    /// At this position of the heap.
    Near(u32),
    /// In this slot of the wheel.
    Far(u16),
}

impl<T> Entries<T> {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), free: NONE, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a free entry, which is nowhere yet.
    ///
    /// # Panics
    ///
    /// If four billion timers wait, as a `Vec` does that is asked for more than there is.
    pub(super) fn insert(&mut self, deadline: Instant, number: u64, payload: T) -> Key {
        self.len += 1;
        let index = self.free;
        if let Some(entry) = self.all.get_mut(index as usize) {
            // Retired entries are not in this list, so the other arm is for the compiler.
            if let Some(generation) = entry.generation {
                self.free = entry.next;
                entry.deadline = deadline;
                entry.number = number;
                entry.payload = Some(payload);
                return Key { index, generation };
            }
        }
        let index = u32::try_from(self.all.len()).unwrap_or(NONE);
        assert!(index < NONE, "a loop keeps at most four billion timers; drop some first");
        let generation = NonZeroU32::MIN;
        self.all.push(Entry {
            deadline,
            number,
            payload: Some(payload),
            generation: Some(generation),
            place: Position::Nowhere,
            previous: NONE,
            next: NONE,
        });
        Key { index, generation }
    }

    /// The index of a timer that still waits.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        let entry = self.get(key.index)?;
        // A free entry shows the generation of a key that is not made yet.
        (entry.generation == Some(key.generation)).then_some(key.index)
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry<T>> {
        self.all.get(index as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Entry<T>> {
        self.all.get_mut(index as usize)
    }

    /// Frees an entry that is in no list and not in the heap any more.
    #[inline]
    pub(super) fn release(&mut self, index: u32) -> Option<T> {
        let entry = self.all.get_mut(index as usize)?;
        let payload = entry.payload.take()?;
        entry.place = Position::Nowhere;
        entry.generation = entry.generation.and_then(|generation| generation.checked_add(1));
        // An entry without a next generation is given up, and not used again from the first
        // one on: the keys of four billion timers are about. It is one cache line of memory
        // for that many timers.
        if entry.generation.is_some() {
            entry.next = self.free;
            self.free = index;
        }
        self.len -= 1;
        Some(payload)
    }

    /// Frees all entries.
    pub(super) fn drain(&mut self, into: &mut Vec<T>) {
        into.reserve(self.len);
        for index in (0..NONE).take(self.all.len()) {
            into.extend(self.release(index));
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_cache_line_and_a_key_eight_bytes() {
        assert!(size_of::<Entry<std::task::Waker>>() <= 64);
        assert_eq!(size_of::<Key>(), 8);
        assert_eq!(size_of::<Option<Key>>(), 8);
    }

    #[test]
    fn an_entry_whose_generations_are_used_up_is_not_used_again() {
        let mut entries = Entries::new();
        let now = Instant::now();
        let first = entries.insert(now, 0, 'a');
        assert_eq!(entries.release(first.index), Some('a'));
        entries.all[0].generation = Some(NonZeroU32::MAX);

        let last = entries.insert(now, 1, 'b');
        assert_eq!((last.index, last.generation), (first.index, NonZeroU32::MAX));
        assert_eq!(entries.release(last.index), Some('b'));
        assert_eq!(entries.find(last), None);

        let other = entries.insert(now, 2, 'c');
        assert_ne!(other.index, last.index);
        assert_eq!(entries.find(last), None);
        assert_eq!(entries.find(first), None);
        assert_eq!(entries.len(), 1);
    }
}
