//! A child that std starts: on systems without a way of our own, where that is refused,
//! and for commands that std made, of which only std knows all.
//!
//! std takes `posix_spawn` where it can do all that is asked for. For the rest the child
//! carries out a plan between `fork` and `exec`, and executes its program there as well:
//! what fails comes back to us and not to std, which asserts that nobody else reaps a
//! child whose start fails.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command as StdCommand, Stdio};
use std::sync::Arc;

use policy_core::sync::Mutex;

use super::calls;
use super::pass_fd::{self, Received};
use super::pipes::Ends;
use super::plan::{BornIn, Failed, Lent, Plan};
use super::recipe::{Folder, Placing, Recipe};
use super::vfork;
use crate::process::identity::thieves;
use crate::process::sys;
use crate::process::talk::stdio::Stream;
use crate::process::terms::{Defaults, fill};
use crate::process::tree::Mark;

/// A process that is its program by now.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) child: Child,
    /// Opened by the child itself, before anybody could reap it.
    pub(super) pidfd: Option<OwnedFd>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Unbegun {
    Refused(io::Error),
    Failed(Failed),
}

impl From<io::Error> for Unbegun {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

/// Starts a child of a recipe.
pub(super) fn start(
    recipe: &Recipe,
    placing: Placing,
    lent: &Lent,
    streams: &[Stream; 3],
    ends: &Ends,
    plan: &Arc<Plan>,
) -> Result<Begun, Unbegun> {
    let is_plain = recipe.own.is_plain()
        && lent.is_empty()
        && placing != Placing::Session
        && !matches!(recipe.folder, Some(Folder::Open(_)))
        // std's `execvp` looks there, which gives what has no known format to a shell.
        && !recipe.looks_in_own_path()
        && sys::blocks_no_signal()
        && !sys::any_standard_closed()
        && !needs_hook();
    if is_plain {
        let mut command = recipe.to_std();
        if let Placing::Group(group) = placing {
            command.process_group(group);
        }
        let [stdin, stdout, stderr] = ends.for_std(streams)?;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        return Ok(Begun { child: command.spawn()?, pidfd: None });
    }
    // std's part is to fork.
    let mut command = StdCommand::new(&recipe.program);
    let (ours, theirs) = pass_fd::pair()?;
    hook(&mut command, {
        let plan = plan.clone();
        move || carry_out(&plan, &theirs)
    });
    let child = command.spawn()?;
    // Its end of the way as well.
    drop(command);
    finish(child, &ours)
}

/// Returns true if `posix_spawn`, which std takes where nothing is hooked in, will not do.
fn needs_hook() -> bool {
    thieves::needs_race_free() || vfork::only_fork_goes()
}

/// A command that std made, or that has something of std's.
pub(in crate::process) struct Taken {
    command: Mutex<Hooked>,
}

struct Hooked {
    command: StdCommand,
    /// Hooks stay with a command for ever, so ours finds here what is asked of it now.
    next: Arc<Mutex<Option<Next>>>,
    is_hooked: bool,
}

/// What the next child does, and where it says that it could not.
struct Next {
    plan: Arc<Plan>,
    theirs: OwnedFd,
}

impl Taken {
    pub(in crate::process) fn new(command: StdCommand) -> Self {
        let hooked = Hooked { command, next: Arc::default(), is_hooked: false };
        Self { command: Mutex::new(hooked) }
    }

    pub(in crate::process) fn change(
        &self,
        change: impl FnOnce(&mut StdCommand) -> &mut StdCommand,
    ) {
        let _same = change(&mut self.command.lock().command);
    }

    pub(in crate::process) fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.command.try_lock() {
            Some(hooked) => std::fmt::Debug::fmt(&hooked.command, f),
            None => f.write_str("Command { … }"),
        }
    }

    /// Starts a child. What std's part fails at is std's to say.
    pub(super) fn start(
        &self,
        recipe: &Recipe,
        defaults: Defaults,
        input: Option<OwnedFd>,
        terminal: Option<&OwnedFd>,
        mark: Option<&Mark>,
        plan: Arc<Plan>,
    ) -> Result<Begun, Unbegun> {
        let mut hooked = self.command.lock();
        if let Some(terminal) = terminal {
            let command = &mut hooked.command;
            command.stdin(terminal.try_clone()?);
            command.stdout(terminal.try_clone()?);
            command.stderr(terminal.try_clone()?);
        }
        let defaults = if terminal.is_some() { Defaults::Inherit } else { defaults };
        let before = mark.map(|mark| mark.put_into_std(&mut hooked.command));
        let has_input = input.is_some();
        if let Some(input) = input {
            hooked.command.stdin(input);
        }
        let unset = recipe.streams.each_ref().map(Option::is_none);
        if defaults == Defaults::Collect {
            fill(&mut hooked.command, unset, Stdio::null, Stdio::piped);
        }
        let begun = hooked.start(plan);
        if let Some(before) = before {
            before.put_back(&mut hooked.command);
        }
        if terminal.is_some() {
            // Who has the child's side of it keeps it from coming to its end.
            fill(&mut hooked.command, [true; 3], Stdio::inherit, Stdio::inherit);
        }
        if has_input {
            // The next child gets one of its own.
            hooked.command.stdin(Stdio::null());
        }
        if defaults == Defaults::Collect {
            // As it was, for the next start.
            fill(&mut hooked.command, unset, Stdio::inherit, Stdio::inherit);
        }
        begun
    }
}

impl Hooked {
    fn start(&mut self, plan: Arc<Plan>) -> Result<Begun, Unbegun> {
        let is_plain = plan.is_empty() && sys::blocks_no_signal() && !needs_hook();
        if is_plain {
            return Ok(Begun { child: spawn(&mut self.command)?, pidfd: None });
        }
        let (ours, theirs) = pass_fd::pair()?;
        *self.next.lock() = Some(Next { plan, theirs });
        if !std::mem::replace(&mut self.is_hooked, true) {
            let next = self.next.clone();
            hook(&mut self.command, move || match next.try_lock() {
                Some(next) => {
                    next.as_ref().map_or(Ok(()), |next| carry_out(&next.plan, &next.theirs))
                }
                None => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            });
        }
        let begun = spawn(&mut self.command);
        drop(self.next.lock().take());
        finish(begun?, &ours)
    }
}

/// Starts a child with std, which asserts that nobody else reaps one whose program can't be
/// executed. Where thieves are, somebody may.
fn spawn(command: &mut StdCommand) -> io::Result<Child> {
    catch_unwind(AssertUnwindSafe(|| command.spawn())).unwrap_or_else(|_| {
        thieves::note();
        Err(io::Error::other("it was reaped by somebody else before it could say why it failed"))
    })
}

/// Lets a child do something between `fork` and `exec`.
#[allow(unsafe_code, reason = "code that runs in a forked copy of this process")]
fn hook(command: &mut StdCommand, act: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: what is passed here ends in `carry_out`, which makes system calls and nothing
    // else. A lock is only tried, which is an atomic, and is free: whoever starts a child
    // holds the command, and nobody else changes what the lock is for.
    unsafe { command.pre_exec(act) };
}

/// Runs in the child.
fn carry_out(plan: &Plan, theirs: &OwnedFd) -> io::Result<()> {
    // Where pidfds are refused, the parent finds nothing and goes by number.
    if let Ok(own) = sys::pidfd_open(std::process::id()) {
        pass_fd::send(theirs, &own)?;
    }
    match plan.run(BornIn::Place) {
        Ok(()) => Ok(()),
        Err(failed) => {
            // Told to us, and not to std.
            pass_fd::fail(theirs, failed);
            calls::exit(127)
        }
    }
}

/// Learns what the child has sent. It has executed its program by now, or is about to if
/// it has put its own standard streams in the place of std's pipe.
fn finish(mut child: Child, ours: &OwnedFd) -> Result<Begun, Unbegun> {
    let Received { pidfd, failed } = pass_fd::receive(ours, sys::any_standard_closed());
    match failed {
        None => Ok(Begun { child, pidfd }),
        Some(failed) => {
            // Reaped already where SIGCHLD is ignored.
            let _reaped = child.wait();
            Err(Unbegun::Failed(failed))
        }
    }
}

impl Ends {
    /// The child's streams, as std takes them.
    fn for_std(&self, streams: &[Stream; 3]) -> io::Result<[Stdio; 3]> {
        let [stdin, stdout, stderr] = streams;
        let [input, output, error] = &self.theirs;
        Ok([
            one_for_std(input.as_ref(), stdin)?,
            one_for_std(output.as_ref(), stdout)?,
            one_for_std(error.as_ref(), stderr)?,
        ])
    }
}

fn one_for_std(end: Option<&OwnedFd>, stream: &Stream) -> io::Result<Stdio> {
    Ok(match (end, stream) {
        (Some(end), _) => end.try_clone()?.into(),
        (None, Stream::Fd(fd)) => fd.try_clone()?.into(),
        (None, Stream::Null) => Stdio::null(),
        (None, Stream::Inherit | Stream::Piped) => Stdio::inherit(),
    })
}
