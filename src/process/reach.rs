//! How much of a tree can be ended.

/// How far the signals reach that end a child: what [`kill`](super::Child::kill),
/// [`terminate`](super::Child::terminate) and
/// [`kill_on_drop`](super::Command::kill_on_drop) leave nothing of. See
/// [`Child::tree_reach`](super::Child::tree_reach).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TreeReach {
    /// The child alone: [`kill_tree`](super::Command::kill_tree) is off.
    Child,
    /// Its process group; and on Linux what descends from it and has left the group, as far
    /// as `/proc` shows it: a process whose parent has ended, such as a daemon, is missed.
    Group,
    /// As `Group`, and daemons too, since this process is a subreaper: they come to it, and
    /// are known by the environment that they began with. One that was given another
    /// environment is missed.
    Orphans,
    /// All that it has started, by a control group of its own (Linux, cgroup v2).
    Cgroup,
    /// All that it has started, by a job object (Windows).
    Job,
}
