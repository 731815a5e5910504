//! A control group for one tree (cgroup v2). Whatever is started in it stays in it, also a
//! daemon that has left its parents, its group and its session.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use policy_core::local::fork_generation;

use crate::process::background;
use crate::process::background::delay::Delay;
use crate::process::sys;
use crate::process::wakers::lock;

/// A group below the one that this process is in. Removed when it is dropped, or as soon
/// as it is empty.
#[derive(Debug)]
pub(super) struct Cgroup {
    folder: PathBuf,
    /// As `/proc/…/cgroup` has it.
    path: String,
    /// `cgroup.kill`, opened beforehand: no limit of descriptors gets between.
    kill: File,
    /// A forked copy of the process removes nothing.
    generation: u64,
}

impl Cgroup {
    /// Makes a group. `None` where there is no cgroup v2, or none that we may write to, or
    /// one without `cgroup.kill` (before Linux 5.14).
    pub(super) fn new() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        static STALE: Once = Once::new();

        let (base, path) = own()?;
        STALE.call_once(|| remove_stale(&base));
        remove_left();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", identity(std::process::id())?);
        let folder = base.join(&name);
        fs::create_dir(&folder).ok()?;
        match File::options().write(true).open(folder.join("cgroup.kill")) {
            Ok(kill) => Some(Self {
                path: format!("{}/{name}", path.trim_end_matches('/')),
                folder,
                kill,
                generation: fork_generation(),
            }),
            Err(_) => {
                remove(&folder);
                None
            }
        }
    }

    pub(super) fn way_in(&self) -> Option<OwnedFd> {
        let procs = File::options().write(true).open(self.folder.join("cgroup.procs"));
        procs.ok().map(OwnedFd::from)
    }

    /// Returns true if a process is a member. One that can't be asked any more is taken for
    /// one, since it was to become that.
    pub(super) fn has(&self, pid: u32) -> bool {
        let Ok(groups) = fs::read(format!("/proc/{pid}/cgroup")) else { return true };
        // One of another name, which need not be text, is not ours.
        let groups = String::from_utf8_lossy(&groups);
        groups.lines().filter_map(|line| line.strip_prefix("0::")).any(|of| {
            of.strip_prefix(&*self.path)
                .is_some_and(|below| below.is_empty() || below.starts_with(['/', ' ']))
        })
    }

    /// Kills all members. Returns true if there were any.
    pub(super) fn kill(&self) -> bool {
        let is_populated = self.is_populated();
        if let Err(error) = (&self.kill).write_all(b"1") {
            log::warn!("can't kill the control group {}: {error}", self.folder.display());
        }
        is_populated
    }

    fn is_populated(&self) -> bool {
        fs::read_to_string(self.folder.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }

    /// Returns the members that run, but for one.
    pub(super) fn members(&self, but: u32) -> Vec<(u32, OwnedFd)> {
        let mut pids = Vec::new();
        list(&self.folder, &mut pids);
        pids.into_iter()
            .filter(|&pid| pid != but)
            .filter_map(|pid| {
                let fd = sys::pidfd_open(pid).ok()?;
                // Asked now that the number can't become another's.
                let is_member = self.has(pid) && !sys::is_readable(fd.as_fd());
                is_member.then_some((pid, fd))
            })
            .collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.generation != fork_generation() || remove(&self.folder) {
            return;
        }
        // What was killed takes a moment to go. What was left to run may stay for ever.
        let folder = self.folder.clone();
        let begun = background::spawn(async move {
            for doubled in 0..12 {
                Delay::wait(Duration::from_millis(1 << doubled)).await;
                if remove(&folder) {
                    return;
                }
            }
            lock(&LEFT).push(folder);
        });
        if begun.is_err() {
            lock(&LEFT).push(self.folder.clone());
        }
    }
}

/// Groups in which somebody lives on. Looked at when another is made.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn remove_left() {
    lock(&LEFT).retain(|folder| !remove(folder));
}

const PREFIX: &str = "policy-tree-";

/// Removes what is left of processes that have gone, and is empty by now.
fn remove_stale(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let owner = name.rsplit_once('-').map_or("", |(owner, _)| owner);
        let pid = owner.split('-').next().and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| identity(pid).as_deref() != Some(owner)) {
            remove(&entry.path());
        }
    }
}

/// Names a process, so that its number alone means nothing.
fn identity(pid: u32) -> Option<String> {
    Some(format!("{pid}-{}", sys::start_time(pid)?))
}

/// Removes a group and those below it. Returns false if somebody is in one of them.
fn remove(folder: &Path) -> bool {
    for below in folders_in(folder) {
        remove(&below);
    }
    match fs::remove_dir(folder) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    }
}

fn list(folder: &Path, pids: &mut Vec<u32>) {
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    pids.extend(members.lines().filter_map(|line| line.parse::<u32>().ok()));
    for below in folders_in(folder) {
        list(&below, pids);
    }
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path())
}

/// Returns the group that this process is in: where it lies, and its path.
fn own() -> Option<(PathBuf, String)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut folders = mounts.lines().filter_map(|line| {
        // proc_pid_mountinfo(5): … root mount-point options … - type …
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then_some(())?;
        let mut fields = place.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let below = if root == "/" { path } else { path.strip_prefix(root)? };
        let folder = Path::new(at).join(below.trim_start_matches('/'));
        folder.join("cgroup.procs").exists().then_some(folder)
    });
    // The last one lies on top.
    Some((folders.next_back()?, path.to_owned()))
}
