//! A heap of the timers whose tick has come: exact, and each can be removed.

use std::time::Instant;

use super::entries::{Entries, Position};

#[derive(Debug, Default)]
pub(super) struct Near {
    /// A binary heap. Each entry knows its position here, so that one is removed without a
    /// search, and without leaving a dead item that would be the first some day.
    items: Vec<Item>,
}

/// What the order is made of, beside the index: a comparison reads no entry.
///
/// The derived order is that of the fields. No two have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) deadline: Instant,
    number: u64,
    pub(super) index: u32,
}

impl Near {
    #[inline]
    pub(super) fn first(&self) -> Option<Item> {
        self.items.first().copied()
    }

    /// Adds a timer that is nowhere.
    #[inline]
    pub(super) fn push<T>(&mut self, index: u32, entries: &mut Entries<T>) {
        let Some(entry) = entries.get(index) else { return };
        let item = Item { deadline: entry.deadline, number: entry.number, index };
        self.items.push(item);
        self.rise(self.items.len() - 1, entries);
    }

    /// Takes the item at a position out.
    #[inline]
    pub(super) fn remove<T>(&mut self, position: u32, entries: &mut Entries<T>) {
        let position = position as usize;
        if position >= self.items.len() {
            return;
        }
        self.items.swap_remove(position);
        // What was the last is here now. It may belong farther up or farther down.
        if position < self.items.len() {
            self.rise(position, entries);
            self.sink(position, entries);
        }
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
    }

    /// Moves an item up to where it belongs, and notes its position.
    fn rise<T>(&mut self, mut position: usize, entries: &mut Entries<T>) {
        let Some(&item) = self.items.get(position) else { return };
        while position > 0 {
            let above = (position - 1) / 2;
            let Some(&other) = self.items.get(above) else { break };
            if other < item {
                break;
            }
            self.put(position, other, entries);
            position = above;
        }
        self.put(position, item, entries);
    }

    /// Moves an item down to where it belongs, and notes its position.
    fn sink<T>(&mut self, mut position: usize, entries: &mut Entries<T>) {
        let Some(&item) = self.items.get(position) else { return };
        loop {
            let left = 2 * position + 1;
            let Some(&first) = self.items.get(left) else { break };
            let (below, other) = match self.items.get(left + 1) {
                Some(&second) if second < first => (left + 1, second),
                _ => (left, first),
            };
            if item < other {
                break;
            }
            self.put(position, other, entries);
            position = below;
        }
        self.put(position, item, entries);
    }

    #[inline]
    fn put<T>(&mut self, position: usize, item: Item, entries: &mut Entries<T>) {
        if let Some(room) = self.items.get_mut(position) {
            *room = item;
        }
        if let Some(entry) = entries.get_mut(item.index) {
            // No more items than entries, which a `u32` counts.
            entry.place = Position::Near(position as u32);
        }
    }
}
