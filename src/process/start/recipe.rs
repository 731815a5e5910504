//! What a command says of the process that it starts.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as StdCommand;
use std::sync::Arc;

use crate::process::sys::{Limit, Resource};
use crate::process::talk::stdio::Stream;
use crate::process::terms::Said;

/// A child's program, and what it is given. Plain data: how it is started is elsewhere.
#[derive(Clone, Debug, Default)]
pub(in crate::process) struct Recipe {
    pub(in crate::process) program: OsString,
    /// The program's own name, if it is another.
    pub(in crate::process) arg0: Option<OsString>,
    // As the kernel takes them: they may be long, and are not copied for each child.
    args: Vec<CString>,
    /// An argument had a NUL in it, and is not there.
    has_nul: bool,
    pub(in crate::process) vars: Variables,
    pub(in crate::process) folder: Option<Folder>,
    /// Those that were set.
    pub(in crate::process) streams: [Option<Stream>; 3],
    pub(in crate::process) own: Own,
}

/// What a child does to itself, beyond what std's command says.
#[derive(Clone, Debug, Default)]
pub(in crate::process) struct Own {
    pub(in crate::process) uid: Option<u32>,
    pub(in crate::process) gid: Option<u32>,
    pub(in crate::process) groups: Option<Vec<u32>>,
    /// The process group that it joins; 0 is a new one.
    pub(in crate::process) group: Option<i32>,
    pub(in crate::process) session: bool,
    pub(in crate::process) limits: Vec<(Resource, Limit)>,
    pub(in crate::process) nice: Option<i32>,
    pub(in crate::process) umask: Option<u32>,
    pub(in crate::process) death_signal: Option<i32>,
    pub(in crate::process) passed: Vec<Arc<OwnedFd>>,
}

/// Where a child runs.
#[derive(Clone, Debug)]
pub(in crate::process) enum Folder {
    At(PathBuf),
    Open(Arc<OwnedFd>),
}

/// A child's environment: this process's own, with changes.
#[derive(Clone, Debug, Default)]
pub(in crate::process) struct Variables {
    is_cleared: bool,
    /// `None`: taken away.
    changes: BTreeMap<OsString, Option<OsString>>,
}

impl Variables {
    pub(in crate::process) fn set(&mut self, key: &OsStr, value: &OsStr) {
        self.changes.insert(key.to_owned(), Some(value.to_owned()));
    }

    pub(in crate::process) fn remove(&mut self, key: &OsStr) {
        if self.is_cleared {
            self.changes.remove(key);
        } else {
            self.changes.insert(key.to_owned(), None);
        }
    }

    pub(in crate::process) fn clear(&mut self) {
        self.is_cleared = true;
        self.changes.clear();
    }

    /// Returns what a variable is for the child.
    pub(in crate::process) fn value(&self, key: &OsStr) -> Option<OsString> {
        match self.changes.get(key) {
            Some(changed) => changed.clone(),
            None if self.is_cleared => None,
            None => std::env::var_os(key),
        }
    }

    /// Returns true if the child's environment is this process's own, to the letter.
    pub(super) fn is_own(&self) -> bool {
        !self.is_cleared && self.changes.is_empty()
    }

    /// Calls `give` for each variable that the child gets.
    pub(super) fn each(&self, mut give: impl FnMut(&OsStr, &OsStr)) {
        if !self.is_cleared {
            for (key, value) in std::env::vars_os() {
                if !self.changes.contains_key(&key) {
                    give(&key, &value);
                }
            }
        }
        for (key, value) in &self.changes {
            if let Some(value) = value {
                give(key, value);
            }
        }
    }
}

impl Recipe {
    pub(in crate::process) fn new(program: &OsStr) -> Self {
        Self { program: program.to_owned(), ..Self::default() }
    }

    pub(in crate::process) fn hear(&mut self, said: Said<'_>) {
        match said {
            Said::Arg(arg) => self.add_arg(arg),
            Said::Var(key, value) => self.vars.set(key, value),
            Said::NoVar(key) => self.vars.remove(key),
            Said::NoVars => self.vars.clear(),
            Said::Folder(folder) => self.folder = Some(Folder::At(folder.to_owned())),
        }
    }

    fn add_arg(&mut self, arg: &OsStr) {
        match CString::new(arg.as_bytes()) {
            Ok(arg) => self.args.push(arg),
            Err(_) => self.has_nul = true,
        }
    }

    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if one had a NUL in it.
    pub(super) fn args(&self) -> io::Result<&[CString]> {
        if self.has_nul { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(&self.args) }
    }

    /// Returns true if the program is looked for in a PATH that is not this process's own.
    pub(super) fn looks_in_own_path(&self) -> bool {
        let Variables { is_cleared, changes } = &self.vars;
        let has_path = *is_cleared || changes.contains_key(OsStr::new("PATH"));
        has_path && !self.program.as_encoded_bytes().contains(&b'/')
    }

    /// A command of std's that says the same, but for what std has no words for.
    pub(in crate::process) fn to_std(&self) -> StdCommand {
        let mut command = StdCommand::new(&self.program);
        if let Some(name) = &self.arg0 {
            command.arg0(name);
        }
        command.args(self.args.iter().map(|arg| OsStr::from_bytes(arg.as_bytes())));
        if self.has_nul {
            // Refused by std as it is by us.
            command.arg("\0");
        }
        if self.vars.is_cleared {
            command.env_clear();
        }
        for (key, value) in &self.vars.changes {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(Folder::At(path)) = &self.folder {
            command.current_dir(path);
        }
        let [stdin, stdout, stderr] = self.streams.clone();
        if let Some(stream) = stdin {
            command.stdin(stream.into_std());
        }
        if let Some(stream) = stdout {
            command.stdout(stream.into_std());
        }
        if let Some(stream) = stderr {
            command.stderr(stream.into_std());
        }
        command
    }
}

impl Own {
    /// Returns true if std's command can do all of it without a hook.
    pub(super) fn is_plain(&self) -> bool {
        let Self { uid, gid, groups, group: _, session, limits, nice, umask, death_signal, passed } =
            self;
        uid.is_none()
            && gid.is_none()
            && groups.is_none()
            && !session
            && limits.is_empty()
            && nice.is_none()
            && umask.is_none()
            && death_signal.is_none()
            && passed.is_empty()
    }

    /// What becomes of the child's process group. Options that exclude each other were
    /// refused before.
    pub(super) fn placing(&self, leads: bool) -> Placing {
        match (self.session, self.group) {
            // Who leads a session leads a group of it.
            (true, _) => Placing::Session,
            (false, Some(group)) => Placing::Group(group),
            (false, None) if leads => Placing::Group(0),
            (false, None) => Placing::Same,
        }
    }
}

/// Which process group a child is in, and which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// Its parent's.
    Same,
    Group(i32),
    /// A session of its own, and so a group.
    Session,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_set_removed_and_set_again() {
        let mut vars = Variables::default();
        vars.clear();
        vars.set("A".as_ref(), "1".as_ref());
        vars.remove("A".as_ref());
        vars.set("B".as_ref(), "2".as_ref());
        let mut seen = Vec::new();
        vars.each(|key, value| seen.push((key.to_owned(), value.to_owned())));
        assert_eq!(seen, [("B".into(), "2".into())]);
    }
}
