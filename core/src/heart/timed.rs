//! Callbacks for later, in the order of their times, and those of one time in the order
//! in which they came.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::callback::Entry;

/// How many cancelled timers are kept before they are looked for (asyncio's number).
const CANCELLED_LIMIT: usize = 100;

#[derive(Default)]
pub(super) struct Schedule {
    timed: BinaryHeap<Timed>,
    /// How many timers there were: equal deadlines keep their order.
    count: u64,
    /// About how many of the timers are cancelled.
    cancelled: usize,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.timed.is_empty()
    }

    pub(super) fn earliest(&self) -> Option<Instant> {
        self.timed.peek().map(|first| first.when)
    }

    /// Returns true if it is the first now.
    pub(super) fn add(&mut self, when: Instant, entry: Entry) -> bool {
        let number = self.count;
        self.count += 1;
        self.timed.push(Timed { when, number, entry });
        self.timed.peek().is_some_and(|first| first.number == number)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Entry> {
        match self.timed.peek() {
            Some(first) if first.when <= now => self.timed.pop().map(|timed| timed.entry),
            _ => None,
        }
    }

    /// Notes that one of the timers was cancelled. Returns those that can go now.
    pub(super) fn cancelled(&mut self) -> Vec<Entry> {
        self.cancelled += 1;
        if self.cancelled <= CANCELLED_LIMIT || self.cancelled * 2 <= self.timed.len() {
            return Vec::new();
        }
        self.cancelled = 0;
        let (cancelled, left): (Vec<_>, Vec<_>) =
            self.timed.drain().partition(|timed| timed.entry.is_cancelled());
        self.timed = left.into();
        cancelled.into_iter().map(|timed| timed.entry).collect()
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.timed.into_iter().map(|timed| timed.entry)
    }
}

struct Timed {
    when: Instant,
    number: u64,
    entry: Entry,
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the heap's first is the greatest.
        (other.when, other.number).cmp(&(self.when, self.number))
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timed {}
