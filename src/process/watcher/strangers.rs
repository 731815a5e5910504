//! Zombies that nobody registered: when they may be reaped.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::process::identity::Record;
use crate::process::identity::starts::Moment;
use crate::process::sys;
use crate::process::table;

/// When each of them was first seen. Kept by the one thread that looks for them.
#[derive(Default)]
pub(in crate::process) struct Sightings {
    first: HashMap<u32, Sighting>,
    next_search: Option<Instant>,
}

struct Sighting {
    /// A number may come again.
    began: Option<u64>,
    at: Instant,
    moment: Moment,
}

/// Reading the process table costs 10 µs and more for each process there is: a tenth of
/// the thread's time goes there, at the most.
const REST: u32 = 9;

impl Sightings {
    /// Returns true if a zombie is sure to be nobody's, having been there for `grace`.
    /// The caller holds what keeps others from registering it.
    pub(in crate::process) fn is_strange(&mut self, pid: u32, grace: Duration) -> bool {
        let began = sys::start_time(pid);
        let sighting = self.first.entry(pid).or_insert_with(|| Sighting::new(began));
        if sighting.began != began {
            *sighting = Sighting::new(began);
        }
        // In this order: a start that is over has left its record.
        let is_strange = sighting.at.elapsed() >= grace
            && sighting.moment.is_past()
            && Record::named(pid).is_none();
        if is_strange {
            self.first.remove(&pid);
        }
        is_strange
    }

    /// Returns the zombies that this process has, unless that was just asked.
    pub(in crate::process) fn search(&mut self) -> Vec<u32> {
        let now = Instant::now();
        if self.next_search.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let zombies = table::zombies();
        self.first.retain(|pid, _| zombies.contains(pid));
        let end = Instant::now();
        self.next_search = Some(end + (end - now) * REST);
        zombies
    }
}

impl Sighting {
    fn new(began: Option<u64>) -> Self {
        Self { began, at: Instant::now(), moment: Moment::now() }
    }
}

/// Orphans that had come to this process when the last watcher for them went. They are
/// reaped as before, until none is left.
pub(in crate::process) struct Adopted {
    grace: Duration,
    /// With the time when each began: a number may come again.
    orphans: Vec<(u32, Option<u64>)>,
}

impl Adopted {
    pub(in crate::process) const fn none() -> Self {
        Self { grace: Duration::ZERO, orphans: Vec::new() }
    }

    /// Takes the children that this process has now, and that nobody has registered. A
    /// child of other code can't be told from an orphan: it is treated as it was before.
    pub(in crate::process) fn now(grace: Duration, is_registered: impl Fn(u32) -> bool) -> Self {
        let strangers = table::children_of(std::process::id())
            .filter(|&pid| !is_registered(pid) && Record::named(pid).is_none());
        Self { grace, orphans: strangers.map(|pid| (pid, sys::start_time(pid))).collect() }
    }

    pub(in crate::process) fn is_empty(&self) -> bool {
        self.orphans.is_empty()
    }

    /// Returns how long a zombie is left alone, if it is one of them.
    pub(in crate::process) fn grace_of(&self, pid: u32) -> Option<Duration> {
        let began = self.orphans.iter().find(|(of, _)| *of == pid)?.1;
        (began == sys::start_time(pid)).then_some(self.grace)
    }

    /// Forgets those that were reaped, by us or by others. Returns true if the last has
    /// gone just now.
    pub(in crate::process) fn forget_gone(&mut self) -> bool {
        let before = self.orphans.len();
        self.orphans.retain(|&(pid, began)| began.is_some() && began == sys::start_time(pid));
        before > 0 && self.orphans.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_that_may_be_a_child_being_started_is_not_strange() {
        use crate::process::identity::starts::Start;

        let mut sightings = Sightings::default();
        let start = Start::begin();
        assert!(!sightings.is_strange(u32::MAX, Duration::ZERO));
        // Begun after it was seen.
        let later = Start::begin();
        drop(start);
        assert!(sightings.is_strange(u32::MAX, Duration::ZERO));
        drop(later);
        assert!(!sightings.is_strange(u32::MAX - 1, Duration::from_secs(1000)));
    }
}
