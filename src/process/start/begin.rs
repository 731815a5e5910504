//! From what a command says to a process with a record, in the best way that there is here.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use policy_core::Error;

use super::by_std::{self, Begun, Unbegun};
use super::pipes::Ends;
use super::plan::{Lent, Plan};
use super::refusal::Refusal;
use super::vfork::{self, Stillborn};
use super::{Setup, fill, input};
use crate::process::identity::{Record, pidfd, recent, thieves};
use crate::process::sys;
use crate::process::talk::stdio::Stream;
use crate::process::terms::Defaults;
use crate::process::tree::Mark;

/// A process with its record, and our ends of its pipes.
pub(in crate::process) struct Started {
    pub(in crate::process) record: Arc<Record>,
    pub(in crate::process) ends: [Option<OwnedFd>; 3],
}

/// Why there is no process.
#[derive(Debug)]
pub(in crate::process) struct Failure {
    pub(in crate::process) error: Error,
    /// It can't be in its control group.
    pub(in crate::process) is_cgroup: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, is_cgroup: false }
    }
}

/// Starts a process on this thread, which blocks until the program is executed.
pub(in crate::process) fn begin(
    setup: &Setup,
    defaults: Defaults,
    lent: &Lent,
    mark: Option<&Mark>,
) -> Result<Started, Failure> {
    let recipe = &*setup.recipe;
    let placing = recipe.own.placing(setup.terms.kill_tree || setup.foreground);
    let refused = |plan: Option<&Plan>, refusal: Refusal| Failure {
        is_cgroup: refusal.is_cgroup(plan),
        error: refusal.into_error(recipe, plan),
    };
    let input = setup.terms.input.as_deref().map(input::open).transpose().map_err(no_input)?;
    if let Some(taken) = &setup.taken {
        let plan = Plan::own(recipe, placing, lent).map_err(|error| refused(None, error.into()))?;
        let plan = Arc::new(plan);
        thieves::watch_for_thieves();
        let terminal = lent.terminal.as_ref();
        let begun = taken.start(recipe, defaults, input, terminal, mark, plan.clone());
        return Ok(known(begun.map_err(|error| refused(Some(&plan), error.into()))?));
    }
    let mut streams = fill(defaults, &recipe.streams);
    if let (Some(input), [stdin, ..]) = (input, &mut streams) {
        *stdin = Stream::Fd(Arc::new(input));
    }
    if let Some(terminal) = &lent.terminal {
        let terminal = terminal.try_clone().map_err(no_terminal)?;
        streams = {
            let stream = Stream::Fd(Arc::new(terminal));
            [stream.clone(), stream.clone(), stream]
        };
    }
    let ends = Ends::open(&streams).map_err(|error| refused(None, error.into()))?;
    let marked = mark.map(|mark| {
        let mut recipe = recipe.clone();
        let (name, value) = mark.variable(|name| recipe.vars.value(name));
        recipe.vars.set(name, &value);
        Arc::new(recipe)
    });
    let recipe = marked.as_ref().unwrap_or(&setup.recipe);
    let plan = Plan::new(recipe, placing, lent, ends.sources(&streams));
    let plan = Arc::new(plan.map_err(|error| refused(None, error.into()))?);
    match vfork::start(&plan) {
        Ok(born) => {
            recent::forget(born.pid);
            let pidfd = born.pidfd.filter(|pidfd| pidfd::can_wait_by(pidfd.as_fd()));
            // Without one for want of descriptors, a thread waits for it.
            let pidfd = pidfd.and_then(|pidfd| sys::above_standard(pidfd).ok());
            let record = Record::new(born.pid, pidfd.map(Arc::new));
            Ok(Started { record, ends: ends.ours })
        }
        Err(Stillborn::Failed(failed)) => Err(refused(Some(&plan), Refusal::At(failed))),
        Err(Stillborn::Refused(error)) => Err(refused(None, error.into())),
        Err(Stillborn::Unsupported) => {
            thieves::watch_for_thieves();
            let begun = by_std::start(recipe, placing, lent, &streams, &ends, &plan);
            let begun = begun.map_err(|error| refused(Some(&plan), error.into()))?;
            Ok(Started { ends: ends.ours, ..known(begun) })
        }
    }
}

impl From<Unbegun> for Refusal {
    fn from(unbegun: Unbegun) -> Self {
        match unbegun {
            Unbegun::Refused(error) => Self::Somewhere(error),
            Unbegun::Failed(failed) => Self::At(failed),
        }
    }
}

/// Makes the record of a child that std has just started.
fn known(begun: Begun) -> Started {
    let Begun { mut child, pidfd } = begun;
    recent::forget(child.id());
    let record = identify(child.id(), pidfd);
    thieves::started_lately(&record);
    let ends = [
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
    ];
    Started { record, ends }
}

fn identify(pid: u32, sent: Option<OwnedFd>) -> Arc<Record> {
    if let Some(sent) = sent.filter(|_| pidfd::pidfds_work()) {
        return Record::new(pid, Some(Arc::new(sent)));
    }
    // A child that somebody has reaped already has none, and no number any more; the
    // first who asks for its exit will find that out.
    let own = pidfd::open_pidfd(pid).inspect_err(thieves::note_if_gone).ok();
    Record::new(pid, own.map(Arc::new))
}

pub(in crate::process) fn no_terminal(error: io::Error) -> Error {
    Error::io("can't make a terminal; close others, or see the source of this error", error)
}

fn no_input(error: io::Error) -> Error {
    Error::io(
        "can't hold the child's input; close descriptors, or write it to a pipe piece by piece",
        error,
    )
}
