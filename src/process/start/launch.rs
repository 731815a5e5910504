//! From a command to a child, with nothing left behind when a step fails.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command as StdCommand, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use policy_core::{ChildWatcher, Error, ErrorKind};

use super::in_child::{self, Plan, Report};
use super::starter::{self, Where};
use super::starts::Start;
use crate::ambient;
use crate::process::child::Child;
use crate::process::exit::reap_soon;
use crate::process::identity::{Claim, Record};
use crate::process::limit::Permit;
use crate::process::output::Bounds;
use crate::process::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::process::sys::Whom;
use crate::process::{background, hub, input, pidfd, thieves};

/// What a child is told apart from what std's command holds.
#[derive(Clone, Debug)]
pub(in crate::process) struct Setup {
    pub(in crate::process) program: String,
    pub(in crate::process) folder: Option<std::path::PathBuf>,
    pub(in crate::process) kill_on_drop: bool,
    pub(in crate::process) reap_on_drop: bool,
    /// Signals that end it go to its process group.
    pub(in crate::process) kill_tree: bool,
    /// The process group that was asked for; see [`Setup::group`].
    pub(in crate::process) process_group: Option<i32>,
    pub(in crate::process) session: bool,
    pub(in crate::process) wait_delay: Option<Duration>,
    pub(in crate::process) max_output: Option<usize>,
    pub(in crate::process) timeout: Option<Duration>,
    pub(in crate::process) input: Option<Arc<[u8]>>,
    /// The child sends its own pidfd.
    pub(in crate::process) race_free: bool,
    /// There is something to do in the child.
    pub(in crate::process) has_plan: bool,
    /// It is started by a thread that stays.
    pub(in crate::process) on_keeper: bool,
    pub(in crate::process) plan: Arc<Mutex<Plan>>,
}

impl Setup {
    /// Returns what bounds the child that is started now, if anything does.
    pub(in crate::process) fn bounds(&self) -> Option<Bounds> {
        let Self { wait_delay, max_output, timeout, .. } = *self;
        // A time that no clock can hold is never over.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        (wait_delay.is_some() || max_output.is_some() || deadline.is_some()).then_some(Bounds {
            wait_delay,
            max_output,
            deadline,
        })
    }

    /// Returns the process group that the child goes to, if not its parent's; 0 is one of
    /// its own.
    fn group(&self) -> Option<i32> {
        if self.kill_tree { Some(0) } else { self.process_group }
    }
}

/// Checks what must be there before anything is started.
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`], [`ErrorKind::WatcherInactive`], or what the policy
/// gives.
pub(in crate::process) fn prepare() -> Result<Arc<dyn ChildWatcher>, Error> {
    ambient::event_loop()?.state().check_open()?;
    let watcher = crate::get_child_watcher()?;
    if !watcher.is_active() {
        return Err(ErrorKind::WatcherInactive.into());
    }
    Ok(watcher)
}

/// Starts a child on this thread, which blocks until the program is executed.
pub(in crate::process) fn launch(
    command: &mut StdCommand,
    setup: &Setup,
    watcher: Arc<dyn ChildWatcher>,
) -> Result<Child, Error> {
    background::sweep();
    let permit = Permit::take()?;
    thieves::watch_for_thieves();
    let race_free = setup.race_free || thieves::needs_race_free();
    let report = if race_free { Report::expect(&setup.plan) } else { None };
    if report.is_some() || setup.has_plan {
        in_child::hook(command, &setup.plan);
    }
    if let Some(group) = setup.group() {
        command.process_group(group);
    }
    if let Some(input) = &setup.input {
        command.stdin(input::stdio(input).map_err(no_input)?);
    }
    let starting = Start::begin();
    let started = start(command).map_err(|error| cannot_start(setup, error));
    if setup.input.is_some() {
        // The next child gets one of its own.
        command.stdin(Stdio::null());
    }
    let sent = report.and_then(|report| report.take(&setup.plan));
    let mut started = started?;
    hub::forget_recent(started.id());
    let fresh = Fresh::new(identify(started.id(), sent), setup);
    drop(starting);
    fresh.record().count(permit);
    thieves::started_lately(fresh.record());
    if setup.kill_tree {
        fresh.record().keep_pidfd();
    }
    let pipes = Pipes {
        stdin: open(started.stdin.take().map(OwnedFd::from), ChildStdin::new)?,
        stdout: open(started.stdout.take().map(OwnedFd::from), ChildStdout::new)?,
        stderr: open(started.stderr.take().map(OwnedFd::from), ChildStderr::new)?,
    };
    let exit = watcher.watch(&fresh.record().id())?;
    Ok(Child::new(fresh.keep(), pipes, watcher, exit, setup))
}

/// Starts a child with std, which asserts that nobody else reaps one whose program
/// can't be executed. Where thieves are, somebody may.
fn start(command: &mut StdCommand) -> io::Result<std::process::Child> {
    catch_unwind(AssertUnwindSafe(|| command.spawn())).unwrap_or_else(|_| {
        thieves::note();
        Err(io::Error::other("it was reaped by somebody else before it could say why it failed"))
    })
}

/// As [`launch`], on a starter thread.
///
/// Cancel safe: a child that nobody came to take is killed and reaped.
pub(in crate::process) async fn launch_elsewhere(
    setup: Setup,
    watcher: Arc<dyn ChildWatcher>,
    start: impl FnOnce(&Setup, Arc<dyn ChildWatcher>) -> Result<Child, Error> + Send + 'static,
) -> Result<Child, Error> {
    // It takes real time, so a paused clock does not jump.
    let _outside = ambient::outside();
    let on = if setup.on_keeper { Where::Keeper } else { Where::Pool };
    let unclaimed = starter::run(on, move || start(&setup, watcher).map(Unclaimed::new)).await??;
    unclaimed.claim()
}

/// The ends of the pipes to a child.
#[derive(Debug)]
pub(in crate::process) struct Pipes {
    pub(in crate::process) stdin: Option<ChildStdin>,
    pub(in crate::process) stdout: Option<ChildStdout>,
    pub(in crate::process) stderr: Option<ChildStderr>,
}

fn open<T>(
    fd: Option<OwnedFd>,
    wrap: impl FnOnce(OwnedFd) -> io::Result<T>,
) -> Result<Option<T>, Error> {
    fd.map(wrap).transpose().map_err(|error| {
        Error::io("can't make a pipe non-blocking; see the source of this error", error)
    })
}

/// Makes the record of a child that std has just started.
fn identify(pid: u32, sent: Option<OwnedFd>) -> Arc<Record> {
    if let Some(sent) = sent.filter(|_| pidfd::pidfds_work()) {
        return Record::new(pid, Some(Arc::new(sent)));
    }
    // A child that somebody has reaped already has none, and no number any more; the
    // first who asks for its exit will find that out.
    let own = pidfd::open_pidfd(pid).inspect_err(thieves::note_if_gone).ok();
    Record::new(pid, own.map(Arc::new))
}

/// A child that is killed and reaped unless it is kept: what follows a fork may fail.
struct Fresh {
    claim: Claim,
    whom: Whom,
    kept: bool,
}

impl Fresh {
    fn new(record: Arc<Record>, setup: &Setup) -> Self {
        let whom = if setup.kill_tree { Whom::Group } else { Whom::One };
        Self { claim: Claim::new(record), whom, kept: false }
    }

    fn record(&self) -> &Arc<Record> {
        self.claim.record()
    }

    fn keep(mut self) -> Claim {
        self.kept = true;
        Claim::new(self.record().clone())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let record = self.record();
        // It may have exited by itself.
        let _exited = record.signal(libc::SIGKILL, self.whom);
        if !reap_soon(record) {
            background::adopt(record);
        }
    }
}

/// A child on its way from a starter thread to whoever asked for it.
struct Unclaimed(Option<Child>);

impl Unclaimed {
    fn new(child: Child) -> Self {
        Self(Some(child))
    }

    fn claim(mut self) -> Result<Child, Error> {
        self.0.take().ok_or_else(|| ErrorKind::StatusLost.into())
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            child.destroy();
        }
    }
}

fn no_input(error: io::Error) -> Error {
    Error::io(
        "can't hold the child's input; close descriptors, or write it to a pipe piece by piece",
        error,
    )
}

fn cannot_start(setup: &Setup, error: io::Error) -> Error {
    let program = &setup.program;
    let message = match (&setup.folder, error.kind()) {
        (Some(folder), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            if !Path::new(folder).is_dir() =>
        {
            format!(
                "can't start `{program}` in `{}`; check that this is a folder",
                folder.display()
            )
        }
        (_, io::ErrorKind::NotFound) => {
            format!("can't start `{program}`: no such program; check the name and PATH")
        }
        (_, io::ErrorKind::PermissionDenied) => {
            format!("can't start `{program}`: not allowed; check that it is an executable file")
        }
        (_, io::ErrorKind::InvalidInput) => {
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
                "can't start `{program}`: too many processes; wait for others to end, or raise the limit (`ulimit -u`)"
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
