//! Starts that are under way. A child that exits before it has its record looks like
//! one that nobody registered; so does one that std started in vain and is about to
//! reap itself. What reaps such zombies asks here first.

use std::collections::BTreeSet;

use policy_core::local::fork_generation;
use policy_core::sync::{Mutex, MutexGuard};

static STARTS: Mutex<Starts> = Mutex::new(Starts::new(0));

struct Starts {
    last: u64,
    under_way: BTreeSet<u64>,
    /// A forked copy of the process has not the threads that end these.
    generation: u64,
}

/// Held while a child is started, until it has its record.
pub(in crate::process) struct Start {
    number: u64,
    generation: u64,
}

impl Start {
    pub(in crate::process) fn begin() -> Self {
        let mut starts = current();
        Self { number: starts.begin(), generation: starts.generation }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        let mut starts = current();
        if starts.generation == self.generation {
            starts.under_way.remove(&self.number);
        }
    }
}

/// A moment between two starts.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Moment(u64);

impl Moment {
    pub(in crate::process) fn now() -> Self {
        current().now()
    }

    /// Returns true if all starts that began before this moment are over, and have left
    /// their records. Those that began later have not started a process that was there
    /// already: so this comes true, however many starts there are.
    pub(in crate::process) fn is_past(self) -> bool {
        current().is_past(self)
    }
}

fn current() -> MutexGuard<'static, Starts> {
    let mut starts = STARTS.lock();
    if starts.generation != fork_generation() {
        *starts = Starts::new(fork_generation());
    }
    starts
}

impl Starts {
    const fn new(generation: u64) -> Self {
        Self { last: 0, under_way: BTreeSet::new(), generation }
    }

    fn begin(&mut self) -> u64 {
        self.last += 1;
        self.under_way.insert(self.last);
        self.last
    }

    fn now(&self) -> Moment {
        Moment(self.last)
    }

    fn is_past(&self, moment: Moment) -> bool {
        self.under_way.first().is_none_or(|&oldest| oldest > moment.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_past_when_the_starts_before_it_are_over() {
        let mut starts = Starts::new(0);
        let early = starts.begin();
        let moment = starts.now();
        assert!(!starts.is_past(moment));
        starts.begin();
        starts.under_way.remove(&early);
        assert!(starts.is_past(moment), "the later one does not matter");
        assert!(!starts.is_past(starts.now()));
    }
}
