//! Control groups for children: what a command asks for, and what is made of it.

// Android has them, and lets no app make any.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod make;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod own;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "cgroup/absent.rs"]
mod own;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use own as make;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{Error, ErrorKind};

pub(super) use own::OwnCgroup;

/// A control group (Linux, cgroup v2) for a child and all that it starts, with limits on what they
/// use together.
///
/// | I want … | call |
/// |---|---|
/// | limits, in a service that systemd delegates to this user | [`below`](Self::below) a folder of it |
/// | limits, where this process is in the root of all groups, or its group passes controllers on already | [`new`](Self::new) |
/// | a group that exists | [`existing`](Self::existing), [`existing_fd`](Self::existing_fd) |
///
/// A group that is made here is removed once the [`Child`](super::Child) is dropped and all processes
/// in it have ended. One that exists is never changed or removed.
///
/// The kernel lets a group share out memory, processes and so on to groups below it only while no
/// process is in it itself, the root of all excepted. So in a delegated group, first move this
/// process to a group below it, and then pass the delegated one to [`below`](Self::below).
///
/// ```
/// use policy::process::{Cgroup, Command};
///
/// policy::run(async {
///     let mut command = Command::shell("make -j");
///     let limits = Cgroup::new().memory_max(512 << 20).pids_max(100);
///     # let mut command = Command::new("true");
///     match command.cgroup(limits).status().await {
///         Ok(status) => assert!(status.success()),
///         Err(error) => eprintln!("{error}"), // says what is missing here
///     }
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "pass it to `Command::cgroup`"]
pub struct Cgroup {
    place: Place,
    /// Files of the group, and what is written to them, in this order.
    settings: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Place {
    /// A new one, below the one that this process is in.
    BelowOwn,
    /// A new one, below this.
    Below(PathBuf),
    Existing(PathBuf),
    Open(Arc<OwnedFd>),
}

impl Cgroup {
    /// Makes a new group for each child, below the group that this process is in.
    ///
    /// ```
    /// use policy::process::{Cgroup, Command};
    ///
    /// let mut command = Command::new("make");
    /// command.cgroup(Cgroup::new().pids_max(100));
    /// ```
    pub fn new() -> Self {
        Self::at(Place::BelowOwn)
    }

    /// Makes a new group for each child, below the group in this folder.
    ///
    /// ```
    /// use policy::process::{Cgroup, Command};
    ///
    /// let mut command = Command::new("make");
    /// command.cgroup(Cgroup::below("/sys/fs/cgroup/builds").memory_max(1 << 30));
    /// ```
    pub fn below(folder: impl Into<PathBuf>) -> Self {
        Self::at(Place::Below(folder.into()))
    }

    /// Starts children in the group in this folder, whose limits are left as they are.
    ///
    /// With [`kill_tree`](super::Command::kill_tree), in a new group below it if that can be made, so
    /// that a kill reaches no others there.
    ///
    /// ```
    /// use policy::process::{Cgroup, Command};
    ///
    /// let mut command = Command::new("make");
    /// command.cgroup(Cgroup::existing("/sys/fs/cgroup/builds"));
    /// ```
    pub fn existing(folder: impl Into<PathBuf>) -> Self {
        Self::at(Place::Existing(folder.into()))
    }

    /// Like [`existing`](Self::existing), by a descriptor of the folder.
    ///
    /// ```no_run
    /// use policy::process::{Cgroup, Command};
    ///
    /// let folder = std::fs::File::open("/sys/fs/cgroup/builds")?;
    /// let mut command = Command::new("make");
    /// command.cgroup(Cgroup::existing_fd(folder));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn existing_fd(folder: impl Into<OwnedFd>) -> Self {
        Self::at(Place::Open(Arc::new(folder.into())))
    }

    fn at(place: Place) -> Self {
        Self { place, settings: Vec::new() }
    }

    /// Limits the memory of all processes in the group together, in bytes (`memory.max`). The kernel
    /// kills one of them (SIGKILL) if it can't free enough; to kill all of them,
    /// `set("memory.oom.group", "1")`.
    ///
    /// ```
    /// let limits = policy::process::Cgroup::new().memory_max(512 << 20); // 512 MiB
    /// ```
    pub fn memory_max(self, bytes: u64) -> Self {
        self.set("memory.max", bytes.to_string())
    }

    /// Limits how many processes and threads may be in the group (`pids.max`), the child included. To
    /// start more of them fails with `EAGAIN`.
    ///
    /// ```
    /// let limits = policy::process::Cgroup::new().pids_max(100);
    /// ```
    pub fn pids_max(self, count: u64) -> Self {
        self.set("pids.max", count.to_string())
    }

    /// Limits how long the processes in the group may run within each `period` (`cpu.max`), summed
    /// over all processors. The kernel takes periods from 1 ms to 1 s, and quotas from 1 ms.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // Half of a processor.
    /// let (quota, period) = (Duration::from_millis(50), Duration::from_millis(100));
    /// let limits = policy::process::Cgroup::new().cpu_max(quota, period);
    /// ```
    pub fn cpu_max(self, quota: Duration, period: Duration) -> Self {
        self.set("cpu.max", format!("{} {}", quota.as_micros(), period.as_micros()))
    }

    /// Writes to a file of the new group before the child is started in it, in the order of the
    /// calls: any that the kernel's documentation of cgroup v2 names, such as `memory.high`, `io.max`,
    /// `cpu.weight` or `cgroup.max.descendants`. The others that begin with `cgroup.` are not for
    /// this: they would stop the child, or let it out.
    ///
    /// ```
    /// let limits = policy::process::Cgroup::new().set("memory.high", "400M").set("cpu.weight", "20");
    /// ```
    pub fn set(mut self, file: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((file.into(), value.into()));
        self
    }

    /// Says whether this can be right anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`].
    pub(super) fn check(&self) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        let is_new = matches!(self.place, Place::BelowOwn | Place::Below(_));
        match self.settings.first() {
            Some((file, _)) if !is_new => {
                return invalid(format!(
                    "a control group that exists is not changed; write to its `{file}` yourself, or make a new one with `Cgroup::below`"
                ));
            }
            _ => {}
        }
        for (file, _) in &self.settings {
            if !is_setting(file) {
                return invalid(format!(
                    "{file:?} is no setting of a new control group; name a file such as `memory.high`, without a folder"
                ));
            }
        }
        Ok(())
    }

    /// Makes or opens the group for a child. `kills`: it is to be killed by its group.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where there is no such group or controller,
    /// [`ErrorKind::InvalidInput`] for what the kernel does not take, [`ErrorKind::Io`].
    pub(super) fn open(&self, kills: bool) -> Result<Home, Error> {
        match &self.place {
            Place::BelowOwn => make::below_own(&self.settings),
            Place::Below(folder) => make::below(folder, &self.settings),
            Place::Existing(folder) => make::existing(folder, kills),
            Place::Open(folder) => make::existing_fd(folder, kills),
        }
    }
}

impl Default for Cgroup {
    fn default() -> Self {
        Self::new()
    }
}

fn is_setting(file: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match file.split_once('.') {
        Some(("cgroup", rest)) => matches!(rest, "max.depth" | "max.descendants"),
        Some((controller, rest)) => {
            !controller.is_empty() && !rest.is_empty() && file.chars().all(is_name)
        }
        None => false,
    }
}

/// Where a child is born.
#[derive(Debug)]
pub(super) struct Home {
    /// Removed with the child.
    pub(super) own: Option<OwnCgroup>,
    pub(super) way_in: WayIn,
}

/// What a child needs to become a member.
#[derive(Debug)]
pub(super) struct WayIn {
    pub(super) folder: OwnedFd,
    /// The child gets a copy of this process's memory, since it may find none there.
    pub(super) needs_copy: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_stop_the_child_or_let_it_out_is_no_setting() {
        for file in ["memory.max", "hugetlb.2MB.max", "cgroup.max.depth", "io.bfq.weight"] {
            assert!(is_setting(file), "{file}");
        }
        for file in [
            "",
            ".",
            "memory",
            "memory.",
            ".max",
            "cgroup.procs",
            "cgroup.freeze",
            "a.b/../c",
            "a.\0",
        ] {
            assert!(!is_setting(file), "{file}");
        }
    }
}
