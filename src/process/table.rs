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
    // Not as text: a process calls itself what it likes, and the system cuts a long name off in
    // the middle of a letter.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain any: the last one closes it.
    let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
    let mut fields = fields.split_whitespace();
    let has_exited = matches!(fields.next()?, "Z" | "X");
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Stat { parent, group, has_exited })
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use super::*;

    // It was not in the table: nobody saw its parent, its group or its end.
    #[test]
    fn a_process_may_have_a_name_that_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"\xff) Z 1 1"[..], "привет, мир".as_bytes()] {
            let program = folder.path().join(OsStr::from_bytes(name));
            std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
            let mut child = Command::new(&program).arg("1000").spawn().unwrap();
            let pid = child.id();
            assert!(all().any(|(other, _)| other == pid));
            let stat = stat_of(pid).unwrap();
            assert_eq!((stat.parent, stat.has_exited), (std::process::id(), false));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
