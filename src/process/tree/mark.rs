//! A word in the environment, by which an orphan that comes to this process is known to be
//! of a certain tree: its parents, who would say so, are gone.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Command as StdCommand;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::sys;
use crate::process::table::children_of;

/// The variable. Trees within trees each have a word in it.
const VARIABLE: &str = "POLICY_TREE";

/// What the variable was set to for a command.
#[derive(Debug)]
pub(in crate::process) struct Before(Option<OsString>);

impl Before {
    pub(in crate::process) fn put_back(self, command: &mut StdCommand) {
        // What this process was given itself goes on to its children.
        match self.0.or_else(|| env::var_os(VARIABLE)) {
            Some(value) => command.env(VARIABLE, value),
            None => command.env_remove(VARIABLE),
        };
    }
}

#[derive(Debug)]
pub(in crate::process) struct Mark {
    word: String,
}

impl Mark {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (me, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // The number of a process comes again, with this it does not.
        let began = sys::start_time(me).unwrap_or(0);
        Self { word: format!("{me}-{began}-{count}") }
    }

    /// Adds the mark to what a child's environment would be without.
    /// A variable's name and value, by what `value_of` says it would be.
    pub(in crate::process) fn variable(
        &self,
        value_of: impl FnOnce(&OsStr) -> Option<OsString>,
    ) -> (&'static OsStr, OsString) {
        let name = VARIABLE.as_ref();
        (name, self.after(value_of(name)))
    }

    /// As [`variable`](Self::variable), for a command of std's. Returns what to put back.
    pub(in crate::process) fn put_into_std(&self, command: &mut StdCommand) -> Before {
        let set = command.get_envs().find(|(key, _)| *key == VARIABLE);
        let set = set.and_then(|(_, value)| value.map(OsStr::to_owned));
        command.env(VARIABLE, self.after(set.clone().or_else(|| env::var_os(VARIABLE))));
        Before(set)
    }

    fn after(&self, other: Option<OsString>) -> OsString {
        let mut words = other.unwrap_or_default();
        if !words.is_empty() {
            words.push(":");
        }
        words.push(&self.word);
        words
    }

    /// Returns the children of this process that have the mark, but for one.
    pub(super) fn orphans(&self, but: u32) -> Vec<(u32, OwnedFd)> {
        children_of(std::process::id())
            .filter(|&pid| pid != but && self.is_in(pid))
            .filter_map(|pid| {
                let fd = sys::pidfd_open(pid).ok()?;
                // Asked again, now that the number can't become another's.
                self.is_in(pid).then_some((pid, fd))
            })
            .collect()
    }

    fn is_in(&self, pid: u32) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        environment.split(|&byte| byte == 0).any(|variable| {
            variable
                .strip_prefix(VARIABLE.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .is_some_and(|words| {
                    words.split(|&b| b == b':').any(|word| OsStr::from_bytes(word) == &*self.word)
                })
        })
    }
}
