//! From a command to a child, with nothing left behind when a step fails.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::{ChildWatcher, Error, ErrorKind};

use super::Defaults;
use super::by_std::{self, Begun, Taken, Unbegun};
use super::input;
use super::pipes::Ends;
use super::plan::{Lent, Plan};
use super::recipe::Recipe;
use super::refusal::Refusal;
use super::starter::{self, Where};
use super::stdio::Stream;
use super::vfork::{self, Stillborn};
use crate::ambient;
use crate::process::child::Child;
use crate::process::identity::limit::Permit;
use crate::process::identity::starts::Start;
use crate::process::identity::terminal::Handover;
use crate::process::identity::{Claim, Record};
use crate::process::identity::{pidfd, thieves};
use crate::process::sys::{self, Whom};
use crate::process::talk::output::Bounds;
use crate::process::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::process::talk::pty::Pty;
use crate::process::tree::{Mark, Tree};
use crate::process::watcher::exit::reap_soon;
use crate::process::watcher::{by_sigchld, orphans};

/// All that is needed to start children, and to keep them.
#[derive(Clone)]
pub(in crate::process) struct Setup {
    pub(in crate::process) recipe: Arc<Recipe>,
    /// A command of std's, which has what the recipe lacks.
    pub(in crate::process) taken: Option<Arc<Taken>>,
    pub(in crate::process) kill_on_drop: bool,
    pub(in crate::process) reap_on_drop: bool,
    /// Signals that end it go to its process group.
    pub(in crate::process) kill_tree: bool,
    /// A terminal of its own.
    pub(in crate::process) pty: bool,
    /// Ours, while it runs.
    pub(in crate::process) foreground: bool,
    pub(in crate::process) wait_delay: Option<Duration>,
    pub(in crate::process) max_output: Option<usize>,
    pub(in crate::process) timeout: Option<Duration>,
    pub(in crate::process) input: Option<Arc<[u8]>>,
    /// It is started by a thread that stays.
    pub(in crate::process) on_keeper: bool,
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
    setup: &Setup,
    defaults: Defaults,
    watcher: Arc<dyn ChildWatcher>,
) -> Result<Child, Error> {
    orphans::sweep();
    let permit = Permit::take()?;
    let mut tree = setup.kill_tree.then(Tree::new);
    let pty = setup.pty.then(Pty::open).transpose().map_err(no_terminal)?;
    let (pty, terminal) = pty.unzip();
    let mut handover = if setup.foreground { Handover::prepare() } else { None };
    let lent = Lent {
        cgroup: tree.as_ref().and_then(|tree| tree.way_in()),
        terminal,
        foreground: handover.as_ref().and_then(|handover| handover.way().ok()),
    };
    let starting = Start::begin();
    let mark = tree.as_ref().and_then(|tree| tree.mark());
    let Started { record, ends } = start(setup, defaults, &lent, mark)?;
    if let Some(tree) = &mut tree {
        tree.begin(record.pid());
    }
    let fresh = Fresh::new(record, tree);
    drop(starting);
    fresh.record().count(permit);
    if setup.kill_tree {
        fresh.record().keep_pidfd();
    }
    if let Some(mut handover) = handover.take() {
        let group = setup.recipe.own.group.and_then(|group| u32::try_from(group).ok());
        handover.given_to(group.filter(|&group| group > 0).unwrap_or(fresh.record().pid()));
        fresh.record().has_terminal(handover);
    }
    let [stdin, stdout, stderr] = ends;
    let pipes = Pipes {
        pty: open(pty, Pty::new)?,
        stdin: open(stdin, ChildStdin::new)?,
        stdout: open(stdout, ChildStdout::new)?,
        stderr: open(stderr, ChildStderr::new)?,
    };
    let exit = watcher.watch(&fresh.record().id())?;
    let (claim, tree) = fresh.keep();
    Ok(Child::new(claim, pipes, watcher, exit, tree, setup))
}

/// A process with its record, and our ends of its pipes.
struct Started {
    record: Arc<Record>,
    ends: [Option<OwnedFd>; 3],
}

fn start(
    setup: &Setup,
    defaults: Defaults,
    lent: &Lent,
    mark: Option<&Mark>,
) -> Result<Started, Error> {
    let recipe = &*setup.recipe;
    let placing = recipe.own.placing(setup.kill_tree || setup.foreground);
    let refused = |plan: Option<&Plan>, refusal: Refusal| refusal.into_error(recipe, plan);
    let input = setup.input.as_deref().map(input::open).transpose().map_err(no_input)?;
    if let Some(taken) = &setup.taken {
        let plan = Arc::new(Plan::own(recipe, placing, lent));
        thieves::watch_for_thieves();
        let terminal = lent.terminal.as_ref();
        let begun = taken.start(recipe, defaults, input, terminal, mark, plan.clone());
        return Ok(known(begun.map_err(|error| refused(Some(&plan), error.into()))?));
    }
    let mut streams = defaults.fill(&recipe.streams);
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
        mark.put_into(&mut recipe.vars);
        Arc::new(recipe)
    });
    let recipe = marked.as_ref().unwrap_or(&setup.recipe);
    let plan = Plan::new(recipe, placing, lent, ends.sources(&streams));
    let plan = Arc::new(plan.map_err(|error| refused(None, error.into()))?);
    match vfork::start(&plan) {
        Ok(born) => {
            by_sigchld::forget_recent(born.pid);
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
    by_sigchld::forget_recent(child.id());
    let record = identify(child.id(), pidfd);
    thieves::started_lately(&record);
    let ends = [
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
    ];
    Started { record, ends }
}

/// As [`launch`], on a starter thread.
///
/// Cancel safe: a child that nobody came to take is killed and reaped.
pub(in crate::process) async fn launch_elsewhere(
    setup: Setup,
    defaults: Defaults,
    watcher: Arc<dyn ChildWatcher>,
) -> Result<Child, Error> {
    // It takes real time, so a paused clock does not jump.
    let _outside = ambient::outside();
    let on = if setup.on_keeper { Where::Keeper } else { Where::Pool };
    let start = move || launch(&setup, defaults, watcher).map(Unclaimed::new);
    let unclaimed = starter::run(on, start).await??;
    unclaimed.claim()
}

/// The ends of the pipes to a child.
#[derive(Debug)]
pub(in crate::process) struct Pipes {
    pub(in crate::process) stdin: Option<ChildStdin>,
    pub(in crate::process) stdout: Option<ChildStdout>,
    pub(in crate::process) stderr: Option<ChildStderr>,
    pub(in crate::process) pty: Option<Pty>,
}

fn open<T>(
    fd: Option<OwnedFd>,
    wrap: impl FnOnce(OwnedFd) -> io::Result<T>,
) -> Result<Option<T>, Error> {
    fd.map(wrap).transpose().map_err(|error| {
        Error::io("can't make a pipe non-blocking; see the source of this error", error)
    })
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

/// A child that is killed and reaped unless it is kept: what follows a fork may fail.
struct Fresh {
    claim: Claim,
    tree: Option<Box<Tree>>,
    kept: bool,
}

impl Fresh {
    fn new(record: Arc<Record>, tree: Option<Box<Tree>>) -> Self {
        Self { claim: Claim::new(record), tree, kept: false }
    }

    fn record(&self) -> &Arc<Record> {
        self.claim.record()
    }

    fn keep(mut self) -> (Claim, Option<Box<Tree>>) {
        self.kept = true;
        (Claim::new(self.record().clone()), self.tree.take())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let record = self.record();
        if let Some(tree) = &self.tree {
            tree.kill(record);
        }
        // It may have exited by itself.
        let _exited = record.signal(libc::SIGKILL, Whom::One);
        if !reap_soon(record) {
            orphans::adopt(record);
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

fn no_terminal(error: io::Error) -> Error {
    Error::io("can't make a terminal; close others, or see the source of this error", error)
}

fn no_input(error: io::Error) -> Error {
    Error::io(
        "can't hold the child's input; close descriptors, or write it to a pipe piece by piece",
        error,
    )
}
