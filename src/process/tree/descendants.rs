//! What descends from a child, and has left its process group.
//!
//! A signal to the group reaches most of a tree. A program that made itself a
//! session (`setsid`, a daemon, a job of an interactive shell) is found by who its
//! parent is, while the chain of parents up to the child is alive.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::Survivor;
use crate::process::sys::{self, Whom};
use crate::process::table;

/// Processes that were found, by identity.
pub(in crate::process) struct Descendants {
    found: HashMap<u32, Arc<OwnedFd>>,
    /// Those that are in the group of the process that they descend from.
    in_group: HashSet<u32>,
}

/// How often the process table is read again, at the most. Each time finds at least
/// one generation, and a stopped process has no further children.
const GENERATIONS: usize = 64;

/// What is done with a process that is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Stop,
    LetRun,
}

impl Descendants {
    pub(in crate::process) fn none() -> Self {
        Self { found: HashMap::new(), in_group: HashSet::new() }
    }

    /// Finds the descendants of the process `root`, and of `more`, and stops them, so that
    /// none has children that would be missed. `is_root` says whether the number still
    /// means the same process. Without `/proc` or pidfds, none is found.
    pub(super) fn stop(
        root: Option<u32>,
        is_root: impl Fn() -> bool,
        more: Vec<(u32, OwnedFd)>,
    ) -> Self {
        let mut found = Self::none();
        found.found.extend(more.into_iter().map(|(pid, fd)| (pid, Arc::new(fd))));
        found.signal(libc::SIGSTOP, |_| true);
        found.grow(root.map(|root| (root, &is_root as _)), Found::Stop);
        found
    }

    /// Finds the descendants of the process `root`, a leader of a group, and of `more`, and
    /// lets them run.
    pub(super) fn of(root: u32, is_root: impl Fn() -> bool, more: Vec<(u32, OwnedFd)>) -> Self {
        let mut found = Self::none();
        found.found.extend(more.into_iter().map(|(pid, fd)| (pid, Arc::new(fd))));
        found.grow(Some((root, &is_root)), Found::LetRun);
        let is_in_group = |pid: &u32| table::stat_of(*pid).is_some_and(|stat| stat.group == root);
        found.in_group = found.found.keys().copied().filter(is_in_group).collect();
        found
    }

    /// Sends a signal to each that one to the group does not reach.
    pub(in crate::process) fn signal_outside(&self, signal: i32) {
        self.signal(signal, |pid| !self.in_group.contains(&pid));
    }

    /// Returns one of them that has not exited.
    pub(super) fn survivor(&self) -> Option<Arc<OwnedFd>> {
        self.found.values().find(|fd| !sys::is_readable(fd.as_fd())).cloned()
    }

    fn signal(&self, signal: i32, to: impl Fn(u32) -> bool) {
        for (_, fd) in self.found.iter().filter(|(pid, _)| to(**pid)) {
            // One that is gone, or another user's, is no failure of the child's.
            let _gone = sys::pidfd_send_signal(fd.as_fd(), signal, Whom::One);
        }
    }

    /// Kills them, and what descends from them by now.
    pub(in crate::process) fn kill(mut self) {
        self.signal(libc::SIGSTOP, |_| true);
        self.grow(None, Found::Stop);
        self.signal(libc::SIGKILL, |_| true);
    }

    fn grow(&mut self, root: Option<(u32, &dyn Fn() -> bool)>, then: Found) {
        let Self { found, .. } = self;
        if found.is_empty() && root.is_none() {
            return;
        }
        for _ in 0..GENERATIONS {
            let before = found.len();
            for (pid, table::Stat { parent, .. }) in table::all() {
                if found.contains_key(&pid) {
                    continue;
                }
                // Asked after the descriptor is open: a parent that is alive then had
                // its number all the time, so the process is what the table said.
                let is_parent = || match (found.get(&parent), root) {
                    (Some(fd), _) => sys::pidfd_send_signal(fd.as_fd(), 0, Whom::One).is_ok(),
                    (None, Some((root, is_root))) => parent == root && is_root(),
                    (None, None) => false,
                };
                if root.is_none_or(|(root, _)| parent != root) && !found.contains_key(&parent) {
                    continue;
                }
                let Ok(fd) = sys::pidfd_open(pid) else { continue };
                if table::stat_of(pid).is_some_and(|stat| stat.parent == parent) && is_parent() {
                    if then == Found::Stop {
                        // Refused for a process of another user: it is left alone by
                        // what follows, too.
                        let _refused = sys::pidfd_send_signal(fd.as_fd(), libc::SIGSTOP, Whom::One);
                    }
                    found.insert(pid, Arc::new(fd));
                }
            }
            if found.len() == before {
                break;
            }
        }
    }
}

/// Returns one of the processes in a group that has not exited. The caller knows that the
/// number still names that group.
pub(super) fn survivor_in(group: u32) -> Survivor {
    let mut can_see = false;
    for (pid, stat) in table::all() {
        can_see = true;
        if stat.group != group || stat.has_exited {
            continue;
        }
        let Ok(fd) = sys::pidfd_open(pid) else { return Survivor::Unknown };
        // Asked again, now that the number can't become another's.
        if table::stat_of(pid).is_some_and(|stat| stat.group == group && !stat.has_exited) {
            return Survivor::One(Arc::new(fd));
        }
    }
    if can_see { Survivor::None } else { Survivor::Unknown }
}
