//! From a command to a child, with nothing left behind when a step fails.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{ChildWatcher, Error, ErrorKind};

use crate::ambient;
use crate::process::cgroup::{Home, OwnCgroup, WayIn};
use crate::process::child::{Child, Held};
use crate::process::command::forms::Unclaimed;
use crate::process::identity::limit::Permit;
use crate::process::identity::starts::Start;
use crate::process::identity::terminal::Handover;
use crate::process::identity::{Claim, Record};
use crate::process::start::starter::{self, Where};
use crate::process::start::{self, Failure, Lent, Setup, Started};
use crate::process::sys::Whom;
use crate::process::talk::Pipes;
use crate::process::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::process::talk::pty::Pty;
use crate::process::terms::Defaults;
use crate::process::tree::Tree;
use crate::process::watcher::exit::reap_soon;
use crate::process::watcher::{abandoned, by_sigchld};

/// Checks what must be there before anything is started.
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`], [`ErrorKind::WatcherInactive`], or what the policy
/// gives.
pub(in crate::process::command) fn prepare() -> Result<Arc<dyn ChildWatcher>, Error> {
    ambient::event_loop()?.state().check_open()?;
    let watcher = crate::get_child_watcher()?;
    if !watcher.is_active() {
        return Err(ErrorKind::WatcherInactive.into());
    }
    Ok(watcher)
}

/// Starts a child on this thread, which blocks until the program is executed.
pub(in crate::process::command) fn here(
    setup: &Setup,
    watcher: Arc<dyn ChildWatcher>,
) -> Result<Child, Error> {
    if setup.on_keeper {
        let setup = setup.clone();
        return starter::run_on_keeper(move || launch(&setup, Defaults::Inherit, watcher))?;
    }
    launch(setup, Defaults::Inherit, watcher)
}

fn launch(
    setup: &Setup,
    defaults: Defaults,
    watcher: Arc<dyn ChildWatcher>,
) -> Result<Child, Error> {
    abandoned::sweep();
    let permit = Permit::take()?;
    let Household { mut tree, cgroup, way_in } = Household::of(setup)?;
    let pty = setup.pty.then(Pty::open).transpose().map_err(start::no_terminal)?;
    let (pty, terminal) = pty.unzip();
    let mut handover = if setup.foreground { Handover::prepare() } else { None };
    let lent = Lent {
        cgroup: way_in,
        terminal,
        foreground: handover.as_ref().and_then(|handover| handover.way().ok()),
    };
    let starting = UnderWay::begin();
    let Started { record, ends } = begin(setup, defaults, lent, &mut tree)?;
    let fresh = Fresh::new(record, tree);
    drop(starting);
    fresh.record().count(permit);
    if setup.terms.kill_tree {
        fresh.record().keep_pidfd();
    }
    if let Some(mut handover) = handover.take() {
        let group = setup.recipe.own.group.and_then(|group| u32::try_from(group).ok());
        handover.given_to(group.filter(|&group| group > 0).unwrap_or(fresh.record().pid()));
        fresh.record().has_terminal(handover);
    }
    let [stdin, stdout, stderr] = ends;
    let pipes = Pipes {
        stdin: open(stdin, ChildStdin::new)?,
        stdout: open(stdout, ChildStdout::new)?,
        stderr: open(stderr, ChildStderr::new)?,
    };
    let pty = open(pty, Pty::new)?;
    let exit = watcher.watch(&fresh.record().id())?;
    let (claim, tree) = fresh.keep();
    let held = Held::new(claim, watcher, exit, tree, cgroup, setup);
    let mut child = Child::new(pipes, held, setup.terms.bounds());
    child.pty = pty;
    Ok(child)
}

/// Starts the process, again where that may help.
fn begin(
    setup: &Setup,
    defaults: Defaults,
    mut lent: Lent,
    tree: &mut Option<Box<Tree>>,
) -> Result<Started, Error> {
    // Who has just written a program and closed it may find it busy: a child that somebody was
    // starting meanwhile holds it open until it is a program itself.
    let mut pauses = [1, 2, 4, 8, 16].into_iter().map(Duration::from_millis);
    loop {
        let mark = tree.as_ref().and_then(|tree| tree.mark());
        let Failure { error, is_cgroup } = match start::begin(setup, defaults, &lent, mark) {
            Ok(started) => return Ok(started),
            Err(failure) => failure,
        };
        let errno = error.io_error().and_then(io::Error::raw_os_error);
        if is_cgroup && setup.cgroup.is_none() && lent.cgroup.take().is_some() {
            // Nobody has asked for one: the tree is reached in other ways.
            *tree = Some(Tree::new(None));
        } else if let (Some(libc::ETXTBSY), Some(pause)) = (errno, pauses.next()) {
            std::thread::sleep(pause);
        } else {
            return Err(error);
        }
    }
}

/// What is made ready for a child that is not there yet.
struct Household {
    tree: Option<Box<Tree>>,
    /// A group that was made for a child without a tree.
    cgroup: Option<Box<OwnCgroup>>,
    way_in: Option<WayIn>,
}

impl Household {
    fn of(setup: &Setup) -> Result<Self, Error> {
        let kills = setup.terms.kill_tree;
        let Some(asked) = &setup.cgroup else {
            let mut tree = kills.then(|| Tree::new(OwnCgroup::for_tree()));
            let way_in = tree.as_mut().and_then(|tree| tree.way_in());
            return Ok(Self { tree, cgroup: None, way_in });
        };
        let Home { own, way_in } = asked.open(kills)?;
        let (tree, cgroup) = match (kills, own) {
            (true, own) => (Some(Tree::new(own)), None),
            (false, own) => (None, own.map(Box::new)),
        };
        Ok(Self { tree, cgroup, way_in: Some(way_in) })
    }
}

/// As [`here`], on a starter thread.
///
/// Cancel safe: a child that nobody came to take is killed and reaped.
pub(in crate::process::command) async fn elsewhere(
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

fn open<T>(
    fd: Option<OwnedFd>,
    wrap: impl FnOnce(OwnedFd) -> io::Result<T>,
) -> Result<Option<T>, Error> {
    fd.map(wrap).transpose().map_err(|error| {
        Error::io("can't make a pipe non-blocking; see the source of this error", error)
    })
}

/// A start. When it is over, zombies that were left alone meanwhile are looked at again.
struct UnderWay(Option<Start>);

impl UnderWay {
    fn begin() -> Self {
        Self(Some(Start::begin()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        drop(self.0.take());
        by_sigchld::look_for_strangers();
    }
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
            abandoned::adopt(record);
        }
    }
}
