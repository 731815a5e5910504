//! A control group of a child's own (cgroup v2). Whatever is started in it stays in it, also a
//! daemon that has left its parents, its group and its session.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policy_core::local::fork_generation;
use policy_core::sync::Mutex;
use rustix::fs::{Mode, OFlags};

use super::WayIn;
use crate::process::background;
use crate::process::background::delay::Delay;
use crate::process::sys;

/// A group that was made for one child. Removed when it is dropped, or as soon as it is empty.
#[derive(Debug)]
pub(in crate::process) struct OwnCgroup {
    folder: PathBuf,
    /// `cgroup.kill`, opened beforehand: no limit of descriptors gets between. There is none
    /// before Linux 5.14.
    kill: Option<File>,
    /// A forked copy of the process removes nothing.
    generation: u64,
}

impl OwnCgroup {
    /// Makes a group below the one that this process is in. `None` where there is no cgroup
    /// v2, or none that we may write to, or one that can't be killed.
    pub(in crate::process) fn for_tree() -> Option<Self> {
        Self::new(&folder_of_this_process()?).ok().filter(Self::can_kill)
    }

    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);

        // It is removed later, wherever this process is by then.
        let parent = std::path::absolute(parent)?;
        remove_stale(&parent);
        remove_left();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let me = identity(std::process::id()).ok_or(io::ErrorKind::Unsupported)?;
        let folder = parent.join(format!("{PREFIX}{me}-{count}"));
        fs::create_dir(&folder)?;
        let kill = File::options().write(true).open(folder.join("cgroup.kill")).ok();
        Ok(Self { folder, kill, generation: fork_generation() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(in crate::process) fn way_in(&self) -> io::Result<WayIn> {
        Ok(WayIn { folder: open_folder(&self.folder)?, needs_copy: false })
    }

    /// Returns true if [`kill`](Self::kill) reaches all of it.
    pub(in crate::process) fn can_kill(&self) -> bool {
        self.kill.is_some()
    }

    /// Kills all members. Returns true if there were any.
    pub(in crate::process) fn kill(&self) -> bool {
        let is_populated = self.is_populated();
        let killed = self.kill.as_ref().map(|mut kill| kill.write_all(b"1"));
        if let Some(Err(error)) = killed {
            log::warn!("can't kill the control group {}: {error}", self.folder.display());
        }
        is_populated
    }

    fn is_populated(&self) -> bool {
        fs::read_to_string(self.folder.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }

    /// Returns the members that run, but for one.
    pub(in crate::process) fn members(&self, but: u32) -> Vec<(u32, OwnedFd)> {
        let mut pids = Vec::new();
        list(&self.folder, &mut pids);
        let found: Vec<_> = pids
            .into_iter()
            .filter(|&pid| pid != but)
            .filter_map(|pid| Some((pid, sys::pidfd_open(pid).ok()?)))
            .collect();
        if found.is_empty() {
            return found;
        }
        // Asked again, now that the numbers can't become others'.
        let mut pids = Vec::new();
        list(&self.folder, &mut pids);
        let pids: HashSet<u32> = pids.into_iter().collect();
        let is_member =
            |(pid, fd): &(u32, OwnedFd)| pids.contains(pid) && !sys::is_readable(fd.as_fd());
        found.into_iter().filter(is_member).collect()
    }
}

impl Drop for OwnCgroup {
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
            LEFT.lock().push(folder);
        });
        if begun.is_err() {
            LEFT.lock().push(self.folder.clone());
        }
    }
}

/// Groups in which somebody lives on. Looked at when another is made.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn remove_left() {
    LEFT.lock().retain(|folder| !remove(folder));
}

const PREFIX: &str = "policy-tree-";

/// Removes what is left of processes that have gone, and is empty by now.
fn remove_stale(parent: &Path) {
    // Once for each parent; who has more of them than this may look twice.
    const KNOWN: usize = 16;
    static LOOKED: Mutex<VecDeque<PathBuf>> = Mutex::new(VecDeque::new());

    {
        let mut looked = LOOKED.lock();
        if looked.iter().any(|known| known == parent) {
            return;
        }
        if looked.len() == KNOWN {
            looked.pop_front();
        }
        looked.push_back(parent.to_owned());
    }
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let owner = name.rsplit_once('-').map_or("", |(owner, _)| owner);
        let pid = owner.split('-').next().and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| identity(pid).as_deref() != Some(owner)) && is_old(&entry) {
            remove(&entry.path());
        }
    }
}

/// A process in another pid namespace is not to be seen here by the number in the name, and
/// its group has nobody in it for a moment.
fn is_old(entry: &fs::DirEntry) -> bool {
    const A_MOMENT: Duration = Duration::from_secs(60);
    let made = entry.metadata().and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > A_MOMENT))
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

/// Opens the folder of a group, under a number that is no standard stream's.
pub(super) fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    sys::above_standard(rustix::fs::open(folder, flags, Mode::empty())?)
}

/// Returns where the group lies that this process is in.
pub(super) fn folder_of_this_process() -> Option<PathBuf> {
    let groups = fs::read("/proc/self/cgroup").ok()?;
    let path = groups.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    let mut folders =
        mounts.split(|&byte| byte == b'\n').filter_map(|line| below_mount(line, path));
    // The last one lies on top.
    folders.rfind(|folder| folder.join("cgroup.procs").exists())
}

/// Returns where a group lies below a mount, by a line of proc_pid_mountinfo(5):
/// … … … root mount-point options … - type …
fn below_mount(line: &[u8], group: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (root, at) = (fields.nth(3)?, fields.next()?);
    fields.find(|field| *field == b"-")?;
    (fields.next()? == b"cgroup2").then_some(())?;
    let (root, at) = (unescape(root), unescape(at));
    let below = match &*root {
        b"/" => group,
        root => group.strip_prefix(root)?,
    };
    let below = below.strip_prefix(b"/").unwrap_or(below);
    Some(Path::new(OsStr::from_bytes(&at)).join(OsStr::from_bytes(below)))
}

/// As the kernel writes names there: spaces, tabs, newlines and backslashes by their numbers.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, more)) = rest.split_first() {
        let code = more.get(..3).filter(|_| first == b'\\');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        (rest, _) = match code {
            Some(byte) => (more.get(3..).unwrap_or_default(), plain.push(byte)),
            None => (more, plain.push(first)),
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str, group: &str) -> Option<String> {
        below_mount(line.as_bytes(), group.as_bytes())?.into_os_string().into_string().ok()
    }

    #[test]
    fn a_group_is_found_below_its_mount() {
        let all = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";
        assert_eq!(found(all, "/a/b").as_deref(), Some("/sys/fs/cgroup/a/b"));
        assert_eq!(found(all, "/").as_deref(), Some("/sys/fs/cgroup/"));
        let part = r"30 24 0:26 /a /with\040space rw - cgroup2 none rw";
        assert_eq!(found(part, "/a/b").as_deref(), Some("/with space/b"));
        assert_eq!(found(part, "/c"), None);
        assert_eq!(found("31 24 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids", "/"), None);
        assert_eq!(found("", "/"), None);
    }
}
