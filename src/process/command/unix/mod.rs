//! Commands of Unix: a [`Recipe`], or a command of std's.

mod conflicts;
pub(super) mod launch;
mod options;

use std::ffi::OsStr;
use std::fmt;
use std::process::Command as StdCommand;
use std::sync::Arc;

use super::Command;
use crate::process::start::{Folder, Taken};
use crate::process::talk::stdio::{Given, Stdio, Stream};
use crate::process::terms::Said;

pub(super) use crate::process::start::Setup;

pub(super) fn shell(line: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(line);
    command
}

impl Setup {
    /// Refuses what can't be right anywhere.
    pub(super) fn check(&self) -> Result<(), policy_core::Error> {
        conflicts::check(self)
    }
}

impl Command {
    /// Says something, in whichever way the command is kept.
    pub(super) fn say(&mut self, said: Said<'_>) -> &mut Self {
        match &self.setup.taken {
            Some(taken) => {
                if let Said::Folder(folder) = said {
                    // For messages, too.
                    let folder = Folder::At(folder.to_owned());
                    Arc::make_mut(&mut self.setup.recipe).folder = Some(folder);
                }
                taken.change(|std| said.to_std(std));
            }
            None => self.setup.recipe().hear(said),
        }
        self
    }

    pub(super) fn stream(&mut self, number: usize, stdio: Stdio) -> &mut Self {
        let given = stdio.into_given();
        if matches!(given, Given::Std(_)) && self.setup.taken.is_none() {
            // Only std knows what it is.
            self.setup.taken = Some(Arc::new(Taken::new(self.setup.recipe.to_std())));
        }
        let known = match (&given, &self.setup.taken) {
            (Given::Ours(stream), None) => stream.clone(),
            // Said to std, and noted as set.
            _ => Stream::Inherit,
        };
        if let Some(place) = self.setup.recipe().streams.get_mut(number) {
            *place = Some(known);
        }
        let Some(taken) = &self.setup.taken else { return self };
        let stdio = match given {
            Given::Std(stdio) => stdio,
            Given::Ours(stream) => stream.into_std(),
        };
        taken.change(|std| match number {
            0 => std.stdin(stdio),
            1 => std.stdout(stdio),
            _ => std.stderr(stdio),
        });
        self
    }
}

/// Takes over a command that was built with std, for what is only there, such as
/// `pre_exec`. [`Command::output`] makes its standard streams pipes, unless they are set
/// once more.
impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        let mut command = Self::new(std.get_program());
        let folder = std.get_current_dir().map(|folder| Folder::At(folder.to_owned()));
        command.setup.recipe().folder = folder;
        command.setup.taken = Some(Arc::new(Taken::new(std)));
        command
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setup.taken {
            Some(taken) => taken.describe(f),
            // As std's: a line that could be typed.
            None => self.setup.recipe.to_std().fmt(f),
        }
    }
}
