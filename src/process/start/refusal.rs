//! What an error of a start says: what failed, and the remedy.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use policy_core::{Error, ErrorKind};

use super::exec;
use super::plan::{At, Failed, Plan, Step};
use super::recipe::{Folder, Recipe};

/// Why there is no child.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There was none, or std had it: nobody says at what it failed.
    Somewhere(io::Error),
    /// The child failed at a part of its plan.
    At(Failed),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Somewhere(error)
    }
}

impl Refusal {
    /// Returns true if the child can't be in its control group.
    pub(super) fn is_cgroup(&self, plan: Option<&Plan>) -> bool {
        match (self, plan) {
            (Self::At(failed), Some(plan)) => {
                matches!(plan.at(*failed), At::Step(Step::Cgroup { .. }))
            }
            _ => false,
        }
    }

    pub(super) fn into_error(self, recipe: &Recipe, plan: Option<&Plan>) -> Error {
        match (self, plan) {
            (Self::Somewhere(error), _) => somewhere(recipe, error),
            (Self::At(failed), plan) => {
                let error = io::Error::from_raw_os_error(failed.errno);
                match plan.map(|plan| plan.at(failed)) {
                    Some(At::Step(step)) => at_step(recipe, step, error),
                    Some(At::Streams) => Error::io(
                        format!(
                            "can't start `{}`: it can't have its standard streams; see the source of this error",
                            name(recipe)
                        ),
                        error,
                    ),
                    Some(At::Signals) => Error::io(
                        format!(
                            "can't start `{}`: it can't have its signals as they are by default; see the source of this error",
                            name(recipe)
                        ),
                        error,
                    ),
                    None => somewhere(recipe, error),
                    Some(At::Exec) => at_exec(recipe, error),
                }
            }
        }
    }
}

fn name(recipe: &Recipe) -> std::borrow::Cow<'_, str> {
    recipe.program.to_string_lossy()
}

fn at_step(recipe: &Recipe, step: &Step, error: io::Error) -> Error {
    let what = match step {
        Step::Enter(_) | Step::EnterOpen(_) => return in_folder(recipe, error),
        Step::Cgroup { .. } => no_member(&error).to_owned(),
        Step::Terminal(_) => {
            "its session can't have the terminal; see the source of this error".to_owned()
        }
        Step::Foreground(_) => {
            "it can't have our terminal's foreground; leave out `foreground`".to_owned()
        }
        Step::Session => "it can't lead a session; leave out `session`".to_owned(),
        Step::Group(group) => format!(
            "it can't join process group {group}; that must be of this session, and have a member"
        ),
        Step::KeepNone | Step::Keep(_) => {
            "it can't have a descriptor that is passed to it; see the source of this error"
                .to_owned()
        }
        Step::Limit(resource, _) => format!(
            "it can't have the limit of resource {resource}; stay below this process's hard limit"
        ),
        Step::Nice(nice) => {
            format!("it can't be given the priority {nice}; only root may ask for more than it has")
        }
        Step::Umask(_) => "it can't have that umask; see the source of this error".to_owned(),
        Step::Uid(id) => format!("it can't become user {id}; only root may ask for that"),
        Step::Gid(id) => format!("it can't become group {id}; only root may ask for that"),
        Step::Groups(_) => "it can't change its groups; only root may ask for that".to_owned(),
        Step::DeathSignal { signal, .. } => format!(
            "it can't be sent signal {signal} when this process ends; check the number, and that this is Linux"
        ),
    };
    Error::io(format!("can't start `{}`: {what}", name(recipe)), error)
}

fn no_member(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM | libc::ENOENT) => {
            "it can't join its control group; let that be delegated to this user, with the group that it has in common with this process's"
        }
        Some(libc::EBUSY) => {
            "it can't join its control group, which shares out limits to groups below it; name one of those"
        }
        Some(libc::EOPNOTSUPP) => {
            "it can't join its control group, which is for threads or below one that is; name another"
        }
        Some(libc::ENODEV) => "it can't join its control group, which was removed; make it again",
        _ => "it can't join its control group; see the source of this error",
    }
}

fn in_folder(recipe: &Recipe, error: io::Error) -> Error {
    let program = name(recipe);
    let message = match &recipe.folder {
        Some(Folder::At(path)) => format!(
            "can't start `{program}` in `{}`; check that this is a folder, and may be entered",
            path.display()
        ),
        _ => format!(
            "can't start `{program}` in the folder that was given; check that the descriptor is of one"
        ),
    };
    Error::io(message, error)
}

/// Of the process, or of the program.
fn somewhere(recipe: &Recipe, error: io::Error) -> Error {
    let not_found = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    );
    match &recipe.folder {
        Some(Folder::At(path)) if not_found && !path.is_dir() => in_folder(recipe, error),
        _ => at_exec(recipe, error),
    }
}

fn at_exec(recipe: &Recipe, error: io::Error) -> Error {
    let program = name(recipe);
    let message = match error.kind() {
        io::ErrorKind::NotFound if is_there(recipe) => format!(
            "can't start `{program}`: it is there, and what would run it is not; check its `#!` line, or install the loader that it was linked for"
        ),
        io::ErrorKind::NotFound => {
            format!("can't start `{program}`: no such program; check the name and PATH")
        }
        io::ErrorKind::PermissionDenied => {
            format!("can't start `{program}`: not allowed; check that it is an executable file")
        }
        io::ErrorKind::InvalidInput => {
            return Error::new(
                ErrorKind::InvalidInput,
                format!("can't start `{program}`: a NUL in an argument; take it out"),
            )
            .with_source(error);
        }
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => format!(
                "can't start `{program}`: too many open files; close some, or raise the limit (`ulimit -n`)"
            ),
            Some(libc::EAGAIN) => format!(
                "can't start `{program}`: too many processes; wait for others to end, or raise the limit (`ulimit -u`, `pids.max` of a control group)"
            ),
            Some(libc::ETXTBSY) => format!(
                "can't start `{program}`: somebody is writing it; start it when that is done"
            ),
            Some(libc::E2BIG) => format!(
                "can't start `{program}`: the arguments and the environment are too long; pass them by a file or a pipe"
            ),
            Some(libc::ENOEXEC) => format!(
                "can't start `{program}`: it is not in a format that this system executes; check the file, or its `#!` line"
            ),
            _ => format!("can't start `{program}`; see the source of this error"),
        },
    };
    Error::io(message, error)
}

/// Returns true if the program is where it was looked for.
fn is_there(recipe: &Recipe) -> bool {
    let path = recipe.vars.value("PATH".as_ref());
    let candidates = exec::candidates(&recipe.program, path.as_deref()).unwrap_or_default();
    candidates.iter().any(|candidate| {
        let candidate = Path::new(OsStr::from_bytes(candidate.as_bytes()));
        // Another folder's files are not seen from here.
        (candidate.is_absolute() || recipe.folder.is_none()) && candidate.is_file()
    })
}
