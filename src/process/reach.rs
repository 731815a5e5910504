//! How much of a tree can be ended.

/// How much of a child's tree [`kill`](super::Child::kill),
/// [`terminate`](super::Child::terminate) and
/// [`kill_on_drop`](super::Command::kill_on_drop) end. See
/// [`Child::tree_reach`](super::Child::tree_reach).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TreeReach {
    /// Only the child: [`kill_tree`](super::Command::kill_tree) is off.
    Child,
    /// Its process group; on Linux also descendants that left the group, as far as `/proc`
    /// shows them. Misses a process whose parent has ended, such as a daemon.
    Group,
    /// Like `Group`, and also daemons, which become children of this process because it is a
    /// subreaper. Recognizes them by the environment that they started with; misses those that
    /// started with another.
    Orphans,
    /// Every process that it started, by a control group of its own (Linux, cgroup v2).
    Cgroup,
    /// Every process that it started, by a job object (Windows).
    Job,
}
