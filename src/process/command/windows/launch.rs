//! From a command to a child.

use std::io::Write;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Command as StdCommand, Stdio};
use std::sync::Arc;

use policy_core::{Error, ErrorKind};
use windows_sys::Win32::System::Threading::CREATE_SUSPENDED;

use super::Setup;
use crate::ambient;
use crate::process::child::{Child, Held};
use crate::process::command::forms::Unclaimed;
use crate::process::identity::limit::Permit;
use crate::process::talk::Pipes;
use crate::process::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::process::terms::{Defaults, Terms, fill};
use crate::process::windows::exit::Record;
use crate::process::windows::sys::{self, Job};

/// What must be there before anything is started: a loop, and nothing that waits.
pub(in crate::process::command) struct Ready;

/// # Errors
/// [`ErrorKind::NoRunningLoop`] or [`ErrorKind::LoopClosed`].
pub(in crate::process::command) fn prepare() -> Result<Ready, Error> {
    ambient::event_loop()?.state().check_open()?;
    Ok(Ready)
}

/// Starts a child on this thread.
pub(in crate::process::command) fn here(setup: &Setup, _: Ready) -> Result<Child, Error> {
    launch(setup, Defaults::Inherit)
}

/// As [`here`], on a thread of the loop's.
///
/// Cancel safe: a child that nobody came to take is killed.
pub(in crate::process::command) async fn elsewhere(
    setup: Setup,
    defaults: Defaults,
    _: Ready,
) -> Result<Child, Error> {
    let start = move || launch(&setup, defaults).map(Unclaimed::new);
    let started = crate::try_spawn_blocking(start)?.await;
    started
        .map_err(|error| {
            Error::new(ErrorKind::Io, format!("the start of the child was given up: {error}"))
        })??
        .claim()
}

fn launch(setup: &Setup, defaults: Defaults) -> Result<Child, Error> {
    let mut command = setup.std.lock();
    let Terms { kill_tree, ref input, .. } = setup.terms;
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    if defaults == Defaults::Collect {
        fill(&mut command, setup.unset, Stdio::null, Stdio::piped);
    }
    let begun = begin(&mut command, setup.flags, kill_tree, input.as_ref());
    if defaults == Defaults::Collect {
        // As it was, for the next start.
        fill(&mut command, setup.unset, Stdio::inherit, Stdio::inherit);
    }
    let (record, pipes) = begun?;
    Ok(Child::new(pipes, Held::new(record, &setup.terms), setup.terms.bounds()))
}

fn begin(
    command: &mut StdCommand,
    flags: u32,
    kill_tree: bool,
    input: Option<&Arc<[u8]>>,
) -> Result<(Arc<Record>, Pipes), Error> {
    let permit = Permit::take()?;
    let job = match kill_tree {
        true => Some(Job::new().map_err(|error| {
            Error::io("can't make a job object; start the child without `kill_tree`", error)
        })?),
        false => None,
    };
    // Nothing of it runs before it is in its job, so nothing escapes.
    let held = if job.is_some() { CREATE_SUSPENDED } else { 0 };
    command.creation_flags(flags | held);
    let mut child = command.spawn().map_err(|error| {
        Error::io(
            format!("can't start {:?}; check its name and its rights", command.get_program()),
            error,
        )
    })?;
    let pid = child.id();
    let (mut stdin, stdout, stderr) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let handle = OwnedHandle::from(child);
    let unstarted = Unstarted(Some(handle));
    if let (Some(job), Some(handle)) = (&job, &unstarted.0) {
        job.assign(handle.as_handle()).map_err(|error| {
            Error::io(
                "can't put the child into its job object; start it without `kill_tree`",
                error,
            )
        })?;
        sys::resume(pid).map_err(|error| {
            Error::io(
                "can't let the child run in its job object; start it without `kill_tree`",
                error,
            )
        })?;
    }
    if let (Some(input), Some(mut pipe)) = (input, stdin.take_if(|_| input.is_some())) {
        let input = input.clone();
        let begun = std::thread::Builder::new().name("policy-input".into()).spawn(move || {
            // A child that reads no more is none of our business.
            let _unread = pipe.write_all(&input);
        });
        begun.map_err(|error| {
            Error::io("can't start the thread `policy-input`; raise the limit of threads", error)
        })?;
    }
    let handle = unstarted.keep()?;
    let record = Record::watch(pid, handle, job, permit)?;
    let pipes = Pipes {
        stdin: stdin.map(ChildStdin::new),
        stdout: stdout.map(ChildStdout::new),
        stderr: stderr.map(ChildStderr::new),
    };
    Ok((record, pipes))
}

/// Kills what an error would leave behind.
struct Unstarted(Option<OwnedHandle>);

impl Unstarted {
    fn keep(mut self) -> Result<OwnedHandle, Error> {
        self.0.take().ok_or_else(|| ErrorKind::ChildExited.into())
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            let _gone = sys::terminate(handle.as_handle());
        }
    }
}
