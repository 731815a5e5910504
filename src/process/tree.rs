//! What descends from a child, and has left its process group.
//!
//! A signal to the group reaches most of a tree. A program that made itself a
//! session (`setsid`, a daemon, a job of an interactive shell) is found by who its
//! parent is, while the chain of parents up to the child is alive.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use super::sys::{self, Whom};

/// Processes that were found, and stopped, by identity.
pub(super) struct Descendants(HashMap<u32, OwnedFd>);

/// How often the process table is read again, at the most. Each time finds at least
/// one generation, and a stopped process has no further children.
const GENERATIONS: usize = 64;

impl Descendants {
    /// Finds the descendants of the process `root`, and stops them, so that none has
    /// children that would be missed. `is_root` says whether the number still means
    /// the same process. Without `/proc` or pidfds, none is found.
    pub(super) fn stop(root: u32, is_root: impl Fn() -> bool) -> Self {
        let mut found: HashMap<u32, OwnedFd> = HashMap::new();
        for _ in 0..GENERATIONS {
            let before = found.len();
            for (pid, parent) in process_table() {
                if found.contains_key(&pid) {
                    continue;
                }
                // Asked after the descriptor is open: a parent that is alive then had
                // its number all the time, so the process is what the table said.
                let is_parent = || match found.get(&parent) {
                    Some(fd) => sys::pidfd_send_signal(fd.as_fd(), 0, Whom::One).is_ok(),
                    None => parent == root && is_root(),
                };
                if parent != root && !found.contains_key(&parent) {
                    continue;
                }
                let Ok(fd) = sys::pidfd_open(pid) else { continue };
                if parent_of(pid) == Some(parent) && is_parent() {
                    // Refused for a process of another user: it is left alone below, too.
                    let _refused = sys::pidfd_send_signal(fd.as_fd(), libc::SIGSTOP, Whom::One);
                    found.insert(pid, fd);
                }
            }
            if found.len() == before {
                break;
            }
        }
        Self(found)
    }

    /// Kills those that were found.
    pub(super) fn kill(self) {
        for fd in self.0.into_values() {
            // One that is gone, or another user's, is no failure of the child's.
            let _gone = sys::pidfd_send_signal(fd.as_fd(), libc::SIGKILL, Whom::One);
        }
    }
}

/// Returns the processes that there are, with their parents.
fn process_table() -> impl Iterator<Item = (u32, u32)> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        Some((pid, parent_of(pid)?))
    })
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain any: the last one closes it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}
