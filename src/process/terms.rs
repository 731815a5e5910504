//! What a command says on every system.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One thing that is said of the process to be started.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    Arg(&'a OsStr),
    Var(&'a OsStr, &'a OsStr),
    NoVar(&'a OsStr),
    NoVars,
    Folder(&'a Path),
}

impl Said<'_> {
    pub(super) fn to_std(self, command: &mut StdCommand) -> &mut StdCommand {
        match self {
            Self::Arg(arg) => command.arg(arg),
            Self::Var(key, value) => command.env(key, value),
            Self::NoVar(key) => command.env_remove(key),
            Self::NoVars => command.env_clear(),
            Self::Folder(folder) => command.current_dir(folder),
        }
    }
}

/// What becomes of the child once it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub(super) kill_on_drop: bool,
    /// What ends it ends its descendants.
    pub(super) kill_tree: bool,
    pub(super) wait_delay: Option<Duration>,
    pub(super) max_output: Option<usize>,
    pub(super) timeout: Option<Duration>,
    pub(super) input: Option<Arc<[u8]>>,
}

impl Terms {
    /// Returns what bounds the child that is started now, if anything does.
    // Boxed: most have none.
    pub(super) fn bounds(&self) -> Option<Box<Bounds>> {
        let Self { wait_delay, max_output, timeout, .. } = *self;
        // A time that no clock can hold is never over.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let any = wait_delay.is_some() || max_output.is_some() || deadline.is_some();
        any.then(|| Box::new(Bounds { wait_delay, max_output, deadline }))
    }
}

/// What bounds the collecting of output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) wait_delay: Option<Duration>,
    pub(super) max_output: Option<usize>,
    /// When the child is killed.
    pub(super) deadline: Option<Instant>,
}

/// What the streams are that were not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defaults {
    /// This process's own.
    Inherit,
    /// Pipes for what is written, and nothing to read.
    Collect,
}

/// Sets those streams of a command of std's that are `unset`.
pub(super) fn fill(
    command: &mut StdCommand,
    unset: [bool; 3],
    input: fn() -> Stdio,
    output: fn() -> Stdio,
) {
    let [stdin, stdout, stderr] = unset;
    if stdin {
        command.stdin(input());
    }
    if stdout {
        command.stdout(output());
    }
    if stderr {
        command.stderr(output());
    }
}
