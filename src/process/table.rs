//! The table of all processes, in `/proc`; empty where there is none.

use std::fs;

/// What the table says of a process.
pub(super) struct Stat {
    pub(super) parent: u32,
    pub(super) group: u32,
    /// A zombie, or on its way to be one.
    pub(super) has_exited: bool,
}

/// Returns the processes whose parent is this one.
pub(super) fn children_of(parent: u32) -> impl Iterator<Item = u32> {
    all().filter(move |(_, stat)| stat.parent == parent).map(|(pid, _)| pid)
}

/// Returns the children of this process that have exited and were not reaped.
pub(super) fn zombies() -> Vec<u32> {
    let me = std::process::id();
    let mine = all().filter(|(_, stat)| stat.parent == me && stat.has_exited);
    mine.map(|(pid, _)| pid).collect()
}

/// Returns the processes that there are.
pub(super) fn all() -> impl Iterator<Item = (u32, Stat)> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        Some((pid, stat_of(pid)?))
    })
}

pub(super) fn stat_of(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain any: the last one closes it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let has_exited = matches!(fields.next()?, "Z" | "X");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Stat { parent, group, has_exited })
}
