//! Who is waited for by the thread that SIGCHLD rings, and what becomes of children that nobody
//! waits for.

mod sweep;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use policy_core::sync::Mutex;
use policy_core::{Error, local::fork_generation, signal::Hold};

use super::sigchld;
use super::strangers::Adopted;
use crate::process::identity::{PidfdSet, Record, recent};
use crate::process::sys;

/// Returns with how many children their pidfds are given up: where watching needs none,
/// half of the descriptors that there may be are for others. A status that somebody else
/// takes is lost then.
fn many() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX))
}

/// How often that is asked again: the limit may change.
const ASK_AFTER: usize = 64;

static ROSTER: Mutex<Roster> = Mutex::new(Roster::new());

struct Roster {
    children: Option<HashMap<u32, Attended>>,
    /// Made for the first child with a pidfd, and kept a while longer than the last child.
    pidfds: Option<Arc<PidfdSet>>,
    /// How many children are not in there.
    by_number: usize,
    /// Open watchers: the handler stays while there are any.
    watchers: usize,
    handler: Option<Hold>,
    /// Those that reap everything.
    fast: usize,
    /// Those that reap orphans, by how long they leave them alone.
    subreapers: Vec<Duration>,
    /// What had come to the last of these, and is left to be reaped.
    adopted: Adopted,
    /// The process was a subreaper before there were any of these; it stays one.
    was_subreaper: bool,
    /// With more children than this the next keep no pidfd.
    most_with_pidfd: usize,
    has_thread: bool,
    /// A forked copy of the process has not the thread.
    generation: u64,
}

/// A child that is reaped when it exits.
struct Attended {
    record: Arc<Record>,
    /// It is found by its pidfd, and nobody need ask it.
    is_in_set: bool,
}

/// What a watcher wants with children that nobody registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Strangers {
    Leave,
    Reap,
    /// Once they have been zombies for some time, so that nobody else is waiting.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        allow(dead_code, reason = "no orphans come here")
    )]
    ReapAfter(Duration),
}

/// A watcher's part in the roster, while it is open.
#[derive(Debug)]
pub(in crate::process) struct Membership {
    strangers: Strangers,
    generation: u64,
}

impl Membership {
    /// Installs the handler, if this is the first.
    pub(in crate::process) fn new(strangers: Strangers) -> Self {
        let mut roster = ROSTER.lock();
        roster.reset_after_fork();
        roster.watchers += 1;
        match strangers {
            Strangers::Leave => {}
            Strangers::Reap => roster.fast += 1,
            Strangers::ReapAfter(grace) => roster.begin_subreaping(grace),
        }
        count_strangers_reaped(&roster);
        // Also if another watcher has it: somebody may have put another in its place.
        match sigchld::install() {
            Ok(handler) => {
                let former = roster.handler.replace(handler);
                drop(former);
            }
            // The watchdog needs no handler.
            Err(error) => log::warn!("SIGCHLD can't be handled now: {error}"),
        }
        let thread = if strangers == Strangers::Leave { Ok(()) } else { roster.ensure_thread() };
        if let Err(error) = thread {
            // Tried again for each child.
            log::warn!("the thread `policy-sigchld` can't be had now: {error}");
        }
        Self { strangers, generation: roster.generation }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut roster = ROSTER.lock();
        if self.generation != fork_generation() || roster.generation != self.generation {
            return;
        }
        roster.watchers -= 1;
        match self.strangers {
            Strangers::Leave => {}
            Strangers::Reap => roster.fast -= 1,
            Strangers::ReapAfter(grace) => roster.end_subreaping(grace),
        }
        count_strangers_reaped(&roster);
        if roster.watchers == 0 {
            recent::clear();
            roster.release_handler();
        }
        drop(roster);
        // So that the thread sees whether it is still needed.
        sigchld::ring();
    }
}

/// Sees to it that a child is reaped when it exits.
///
/// # Errors
/// [`ErrorKind::Io`](policy_core::ErrorKind::Io) if the thread can't be had.
pub(in crate::process) fn attend(record: &Arc<Record>) -> Result<(), Error> {
    let mut roster = ROSTER.lock();
    roster.reset_after_fork();
    // One that reaps everything may have been quicker than its registration.
    if let Some(exit) = recent::take(record.pid()) {
        drop(roster);
        record.settle_reaped(exit);
        return Ok(());
    }
    if record.outcome().is_some() || !record.attend() {
        return Ok(());
    }
    // The handler is not put back in place here if somebody has replaced it: the two
    // would take turns. The watchdog finds the child.
    if let Err(error) = roster.ensure_thread() {
        record.unattend();
        return Err(Error::io(
            "can't start the thread `policy-sigchld`; raise the limit of threads, or use `PidfdChildWatcher`",
            error,
        ));
    }
    roster.insert(record);
    drop(roster);
    // It may have exited before it was known here.
    if record.try_reap_if_claimed().is_some() {
        ROSTER.lock().remove(record);
    }
    Ok(())
}

/// Looks again for zombies that nobody registered.
pub(in crate::process) fn look_for_strangers() {
    if REAP_STRANGERS.load(Ordering::Acquire) > 0 {
        sigchld::ring();
    }
}

/// How many watchers reap what nobody registered.
static REAP_STRANGERS: AtomicUsize = AtomicUsize::new(0);

fn count_strangers_reaped(roster: &Roster) {
    let reap = roster.fast + roster.subreapers.len() + usize::from(!roster.adopted.is_empty());
    REAP_STRANGERS.store(reap, Ordering::Release);
}

impl Roster {
    const fn new() -> Self {
        Self {
            children: None,
            pidfds: None,
            by_number: 0,
            watchers: 0,
            handler: None,
            fast: 0,
            subreapers: Vec::new(),
            adopted: Adopted::none(),
            was_subreaper: false,
            most_with_pidfd: usize::MAX,
            has_thread: false,
            generation: 0,
        }
    }

    fn reset_after_fork(&mut self) {
        let generation = fork_generation();
        if self.generation != generation {
            *self = Self { generation, ..Self::new() };
        }
    }

    fn insert(&mut self, record: &Arc<Record>) {
        let is_in_set = self.add_to_set(record).is_ok();
        self.by_number += usize::from(!is_in_set);
        let children = self.children.get_or_insert_default();
        let child = Attended { record: record.clone(), is_in_set };
        // A former one with the number was reaped by others.
        let former = children.insert(record.pid(), child);
        let count = children.len();
        self.by_number -= former.map_or(0, |former| usize::from(!former.is_in_set));
        if count % ASK_AFTER == 0 {
            self.most_with_pidfd = many();
            if count >= self.most_with_pidfd {
                self.shed(None);
            }
        } else if count > self.most_with_pidfd {
            self.shed(Some(record.pid()));
        }
    }

    fn add_to_set(&mut self, record: &Record) -> io::Result<()> {
        let Some(pidfd) = record.pidfd() else { return Err(io::ErrorKind::Unsupported.into()) };
        let pidfds = match &self.pidfds {
            Some(pidfds) => pidfds,
            None => self.pidfds.insert(Arc::new(PidfdSet::new()?)),
        };
        pidfds.add(pidfd, record.pid().into())
    }

    /// Gives the pidfds of one child up, or of all.
    fn shed(&mut self, one: Option<u32>) {
        let children = self.children.iter_mut().flatten();
        for (_, child) in children.filter(|(pid, _)| one.is_none_or(|one| one == **pid)) {
            child.record.shed_pidfd();
            if child.is_in_set && child.record.pidfd().is_none() {
                child.is_in_set = false;
                self.by_number += 1;
            }
        }
    }

    fn remove(&mut self, record: &Arc<Record>) {
        let Some(children) = &mut self.children else { return };
        if children.get(&record.pid()).is_some_and(|known| Arc::ptr_eq(&known.record, record)) {
            let removed = children.remove(&record.pid());
            self.by_number -= removed.map_or(0, |removed| usize::from(!removed.is_in_set));
        }
    }

    /// Descendants whose parents exit become children of this process.
    fn begin_subreaping(&mut self, grace: Duration) {
        if self.subreapers.is_empty() {
            self.was_subreaper = sys::set_subreaper(true).unwrap_or_else(|error| {
                // PID 1 needs no such thing.
                log::warn!("this process can't be made a subreaper: {error}");
                true
            });
        }
        self.subreapers.push(grace);
    }

    fn end_subreaping(&mut self, grace: Duration) {
        if let Some(at) = self.subreapers.iter().position(|&of| of == grace) {
            self.subreapers.swap_remove(at);
        }
        if !self.subreapers.is_empty() {
            return;
        }
        if !self.was_subreaper {
            let _still = sys::set_subreaper(false);
        }
        // Nobody else knows of them: they would be zombies for as long as we live.
        let is_registered = |pid| self.find(pid).is_some();
        self.adopted = Adopted::now(grace, is_registered);
    }

    /// Puts the former handler back, unless there is still something to hear of.
    fn release_handler(&mut self) {
        if self.watchers > 0 || !self.adopted.is_empty() {
            return;
        }
        if !self.handler.take().is_none_or(Hold::release) {
            log::warn!(
                "the handler of SIGCHLD was replaced; it is left as it is, and not put back"
            );
        }
    }

    fn find(&self, pid: u32) -> Option<Arc<Record>> {
        self.children.as_ref()?.get(&pid).map(|child| child.record.clone())
    }

    /// Returns true if somebody wants those reaped that nobody registered.
    fn wants_strangers(&self) -> bool {
        self.fast > 0 || !self.subreapers.is_empty() || !self.adopted.is_empty()
    }

    fn ensure_thread(&mut self) -> io::Result<()> {
        if !self.has_thread {
            let generation = self.generation;
            std::thread::Builder::new().name("policy-sigchld".into()).spawn(move || {
                sigchld::take_only_this();
                sweep::serve(generation);
            })?;
            self.has_thread = true;
        }
        Ok(())
    }
}
