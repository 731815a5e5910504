//! Commands of Windows: std's, which quotes the arguments.

pub(super) mod launch;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::windows::process::CommandExt;
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;

use policy_core::Error;
use policy_core::sync::Mutex;

use super::Command;
use crate::process::terms::{Said, Terms};

/// All that is needed to start children, and to keep them.
#[derive(Clone)]
pub(super) struct Setup {
    std: Arc<Mutex<StdCommand>>,
    /// Which streams were not set.
    unset: [bool; 3],
    flags: u32,
    pub(super) terms: Terms,
}

pub(super) fn shell(line: &OsStr) -> Command {
    let shell = env::var_os("ComSpec").unwrap_or_else(|| "cmd.exe".into());
    let mut command = StdCommand::new(shell);
    // `/s`: the outer quotes go, and the rest is the line to the letter.
    let mut quoted = OsString::from("\"");
    quoted.push(line);
    quoted.push("\"");
    command.args(["/d", "/s", "/c"]).raw_arg(quoted);
    command.into()
}

impl Setup {
    pub(super) fn new(program: &OsStr) -> Self {
        Self::of(StdCommand::new(program))
    }

    fn of(std: StdCommand) -> Self {
        let std = Arc::new(Mutex::new(std));
        Self { std, unset: [true; 3], flags: 0, terms: Terms::default() }
    }

    /// No two of the options exclude each other.
    pub(super) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Command {
    /// Adds text to the command line as it is, without quotes: for programs that parse their
    /// command line in their own way.
    pub fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Self {
        self.setup.std.lock().raw_arg(text);
        self
    }

    /// Sets the flags of `CreateProcess`, such as `CREATE_NO_WINDOW` and
    /// `CREATE_NEW_PROCESS_GROUP`.
    pub fn creation_flags(&mut self, flags: u32) -> &mut Self {
        self.setup.flags = flags;
        self
    }

    pub(super) fn say(&mut self, said: Said<'_>) -> &mut Self {
        said.to_std(&mut self.setup.std.lock());
        self
    }

    pub(super) fn stream(&mut self, number: usize, stdio: Stdio) -> &mut Self {
        if let Some(unset) = self.setup.unset.get_mut(number) {
            *unset = false;
        }
        let mut std = self.setup.std.lock();
        match number {
            0 => std.stdin(stdio),
            1 => std.stdout(stdio),
            _ => std.stderr(stdio),
        };
        drop(std);
        self
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        Self { setup: Setup::of(std), bad_key: None }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setup.std.try_lock() {
            Some(command) => command.fmt(f),
            None => f.write_str("Command(..)"),
        }
    }
}
