//! The thread that SIGCHLD rings: `policy-sigchld`.
//!
//! A signal says that some child has changed, and several may be told as one. So the
//! thread *looks* for an exited child without reaping it, which costs the same however
//! many there are, and reaps it if it is one of its own. Only a zombie of somebody
//! else, standing in front, makes it ask all of its own.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use policy_core::sync::Mutex;
use policy_core::{Error, local::fork_generation, signal::Hold};

use super::sigchld;
use super::strangers::{Adopted, Sightings};
use crate::process::identity::{Record, recent};
use crate::process::sys::{self, Take, Target};

/// How often the thread looks by itself while it has children: a signal may be
/// blocked in every thread, or its handler replaced.
const WATCHDOG: Duration = Duration::from_millis(250);

/// How many of those looks are cheap, before one that asks each child: a thief leaves
/// no zombie to be seen.
const CHEAP_LOOKS: u32 = 2;

/// How long the thread stays when it has no children.
const LINGER: Duration = Duration::from_millis(100);

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
    children: Option<HashMap<u32, Arc<Record>>>,
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
        let children = self.children.get_or_insert_default();
        children.insert(record.pid(), record.clone());
        if children.len() % ASK_AFTER == 0 {
            self.most_with_pidfd = many();
            if children.len() >= self.most_with_pidfd {
                children.values().for_each(|record| record.shed_pidfd());
            }
        } else if children.len() > self.most_with_pidfd {
            record.shed_pidfd();
        }
    }

    fn remove(&mut self, record: &Arc<Record>) {
        let Some(children) = &mut self.children else { return };
        if children.get(&record.pid()).is_some_and(|known| Arc::ptr_eq(known, record)) {
            children.remove(&record.pid());
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
        self.children.as_ref()?.get(&pid).cloned()
    }

    fn is_needed(&self) -> bool {
        self.fast > 0
            || !self.subreapers.is_empty()
            || !self.adopted.is_empty()
            || self.children.as_ref().is_some_and(|children| !children.is_empty())
    }

    fn ensure_thread(&mut self) -> io::Result<()> {
        if !self.has_thread {
            let generation = self.generation;
            std::thread::Builder::new().name("policy-sigchld".into()).spawn(move || {
                sigchld::take_only_this();
                serve(generation);
            })?;
            self.has_thread = true;
        }
        Ok(())
    }
}

fn serve(generation: u64) {
    let mut looks = 0;
    let mut sightings = Sightings::default();
    let mut idle_since: Option<Instant> = None;
    loop {
        let is_deaf = !sigchld::is_installed();
        let limit = match idle_since {
            Some(_) => LINGER,
            None if is_deaf => deaf_pause(),
            None => WATCHDOG,
        };
        let begun = Instant::now();
        sigchld::wait_for_ring(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX));
        if begun.elapsed() >= limit {
            looks += 1;
            warn_if_replaced();
        }
        // Where SIGCHLD is ignored the kernel leaves no zombie to be seen either.
        let ask_each = is_deaf || looks > CHEAP_LOOKS;
        if ask_each {
            looks = 0;
        }
        sweep(ask_each, &mut sightings);
        let mut roster = ROSTER.lock();
        if roster.generation != generation {
            return;
        }
        if roster.adopted.forget_gone() {
            count_strangers_reaped(&roster);
            roster.release_handler();
        }
        if roster.is_needed() {
            idle_since = None;
            continue;
        }
        if idle_since.get_or_insert_with(Instant::now).elapsed() >= LINGER {
            roster.has_thread = false;
            return;
        }
    }
}

/// How long the thread waits where nothing rings: so long that asking all children takes
/// a few hundredths of its time.
fn deaf_pause() -> Duration {
    let children = ROSTER.lock().children.as_ref().map_or(0, HashMap::len);
    let pause =
        Duration::from_micros(20).saturating_mul(u32::try_from(children).unwrap_or(u32::MAX));
    pause.clamp(Duration::from_millis(10), WATCHDOG)
}

/// Reaps what has exited: first those that can be seen, then, if that may not be all,
/// by asking each.
fn sweep(mut ask_each: bool, sightings: &mut Sightings) {
    loop {
        let exit = match sys::exit_now(Target::Any, Take::Look) {
            Ok(Some(exit)) => exit,
            Ok(None) => break,
            Err(_) => {
                // No child at all: those that we have were stolen.
                ask_each = true;
                break;
            }
        };
        let known = ROSTER.lock().find(exit.pid);
        if let Some(record) = known {
            if record.is_over() {
                ROSTER.lock().remove(&record);
            }
            if record.outcome().is_some() {
                continue;
            }
        } else if take_any(exit.pid, sightings) {
            continue;
        }
        // It stays in front, whoever it belongs to.
        ask_each = true;
        reap_orphans(sightings);
        break;
    }
    if ask_each {
        let all: Vec<_> =
            ROSTER.lock().children.iter().flat_map(HashMap::values).cloned().collect();
        for record in all {
            if record.is_over() {
                ROSTER.lock().remove(&record);
            }
        }
    }
}

/// Reaps a child, whoever started it, if some watcher wants that; and keeps its status
/// if nobody has registered it. Returns false if it is left alone.
fn take_any(pid: u32, sightings: &mut Sightings) -> bool {
    // Locked all the while: who registers the child now finds it, or its status.
    let roster = ROSTER.lock();
    if roster.fast == 0 {
        return false;
    }
    if let Some(record) = Record::named(pid) {
        drop(roster);
        // Another watcher's, which will be told in its own way.
        return record.try_reap().is_some();
    }
    if roster.find(pid).is_some() || !sightings.is_strange(pid, Duration::ZERO) {
        return false;
    }
    recent::reap(pid);
    true
}

/// Reaps zombies that nobody has come for, wherever they stand.
fn reap_orphans(sightings: &mut Sightings) {
    {
        let roster = ROSTER.lock();
        if roster.subreapers.is_empty() && roster.adopted.is_empty() {
            return;
        }
    }
    for pid in sightings.search() {
        let roster = ROSTER.lock();
        let grace = roster.subreapers.iter().max().copied();
        let Some(grace) = grace.or_else(|| roster.adopted.grace_of(pid)) else { continue };
        if roster.find(pid).is_none() && sightings.is_strange(pid, grace) {
            recent::reap(pid);
        }
    }
}

fn warn_if_replaced() {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if ROSTER.lock().watchers > 0
        && !sigchld::is_installed()
        && !WARNED.swap(true, Ordering::Relaxed)
    {
        log::warn!(
            "another handler of SIGCHLD took the place of ours; children are looked for every {} ms instead: let that handler call the one before, or use `PidfdChildWatcher`",
            WATCHDOG.as_millis()
        );
    }
}
