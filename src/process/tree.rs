//! What descends from a child, and has left its process group.
//!
//! A signal to the group reaches most of a tree. A program that made itself a
//! session (`setsid`, a daemon, a job of an interactive shell) is found by who its
//! parent is, while the chain of parents up to the child is alive.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use super::sys::{self, Whom};

/// Processes that were found, by identity.
pub(super) struct Descendants(HashMap<u32, OwnedFd>);

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
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    /// Finds the descendants of the process `root`, and stops them, so that none has
    /// children that would be missed. `is_root` says whether the number still means
    /// the same process. Without `/proc` or pidfds, none is found.
    pub(super) fn stop(root: u32, is_root: impl Fn() -> bool) -> Self {
        let mut found = Self::none();
        found.grow(Some((root, &is_root)), Found::Stop);
        found
    }

    /// Finds the descendants of the process `root`, a leader of a group, that are not in
    /// that group, and lets them run.
    pub(super) fn outside(root: u32, is_root: impl Fn() -> bool) -> Self {
        let mut found = Self::none();
        found.grow(Some((root, &is_root)), Found::LetRun);
        found.0.retain(|&pid, _| stat_of(pid).is_some_and(|stat| stat.group != root));
        found
    }

    /// Sends a signal to each.
    pub(super) fn signal(&self, signal: i32) {
        for fd in self.0.values() {
            // One that is gone, or another user's, is no failure of the child's.
            let _gone = sys::pidfd_send_signal(fd.as_fd(), signal, Whom::One);
        }
    }

    /// Kills them, and what descends from them by now.
    pub(super) fn kill(mut self) {
        self.signal(libc::SIGSTOP);
        self.grow(None, Found::Stop);
        self.signal(libc::SIGKILL);
    }

    fn grow(&mut self, root: Option<(u32, &dyn Fn() -> bool)>, then: Found) {
        let Self(found) = self;
        if found.is_empty() && root.is_none() {
            return;
        }
        for _ in 0..GENERATIONS {
            let before = found.len();
            for (pid, Stat { parent, .. }) in process_table() {
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
                if stat_of(pid).is_some_and(|stat| stat.parent == parent) && is_parent() {
                    if then == Found::Stop {
                        // Refused for a process of another user: it is left alone by
                        // what follows, too.
                        let _refused = sys::pidfd_send_signal(fd.as_fd(), libc::SIGSTOP, Whom::One);
                    }
                    found.insert(pid, fd);
                }
            }
            if found.len() == before {
                break;
            }
        }
    }
}

/// Returns the processes whose parent is this one.
pub(super) fn children_of(parent: u32) -> impl Iterator<Item = u32> {
    process_table().filter(move |(_, stat)| stat.parent == parent).map(|(pid, _)| pid)
}

struct Stat {
    parent: u32,
    group: u32,
}

/// Returns the processes that there are.
fn process_table() -> impl Iterator<Item = (u32, Stat)> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        Some((pid, stat_of(pid)?))
    })
}

fn stat_of(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain any: the last one closes it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(1);
    Some(Stat { parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}
