//! Zombies that nobody registered: when they may be reaped, and what became of them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::process::identity::Record;
use crate::process::identity::starts::Moment;
use crate::process::sys::{self, Take, Target};
use crate::process::tree;

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
        let zombies = sys::zombies();
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
        let strangers = tree::children_of(std::process::id())
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

/// Statuses of children that were reaped before anybody asked for them, oldest first.
pub(in crate::process) struct Recent(VecDeque<Reaped>);

struct Reaped {
    exit: sys::Exit,
    began: Option<u64>,
}

/// How many are kept.
const MOST: usize = 1024;

impl Recent {
    pub(in crate::process) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Reaps a zombie, and keeps its status.
    pub(in crate::process) fn reap(&mut self, pid: u32) {
        let began = sys::start_time(pid);
        if let Ok(Some(exit)) = sys::exit_now(Target::Pid(pid), Take::Reap) {
            log::debug!("reaped process {pid}, which nobody registered: {}", exit.status);
            self.forget(pid);
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back(Reaped { exit, began });
        }
    }

    /// Takes the exit of the process that had this number last.
    pub(in crate::process) fn take(&mut self, pid: u32) -> Option<sys::Exit> {
        let at = self.0.iter().position(|reaped| reaped.exit.pid == pid)?;
        let reaped = self.0.remove(at)?;
        // The number may be of another by now, who has not exited or is not reaped.
        match sys::start_time(pid) {
            Some(began) if reaped.began != Some(began) => None,
            _ => Some(reaped.exit),
        }
    }

    /// The number is another's.
    pub(in crate::process) fn forget(&mut self, pid: u32) {
        self.0.retain(|reaped| reaped.exit.pid != pid);
    }

    pub(in crate::process) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn reaped(pid: u32, began: Option<u64>, code: i32) -> Reaped {
        let status = std::process::ExitStatus::from_raw(code << 8);
        Reaped { exit: sys::Exit { pid, status, usage: None }, began }
    }

    #[test]
    fn a_status_is_not_handed_to_another_process_that_has_the_number_now() {
        let me = std::process::id();
        let mut recent = Recent::new();
        recent.0.push_back(reaped(me, Some(1), 7));
        recent.0.push_back(reaped(u32::MAX, Some(1), 8));
        if sys::start_time(me).is_some() {
            assert_eq!(recent.take(me), None);
        }
        assert_eq!(recent.take(u32::MAX).unwrap().status.code(), Some(8));
        assert_eq!(recent.take(u32::MAX), None, "handed over once");
    }

    #[test]
    fn a_number_that_was_given_to_a_new_child_means_no_former_one() {
        let mut recent = Recent::new();
        recent.0.push_back(reaped(u32::MAX, None, 8));
        recent.forget(u32::MAX);
        assert_eq!(recent.take(u32::MAX), None);
    }

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
