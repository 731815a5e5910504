//! The thread that SIGCHLD rings: `policy-sigchld`.
//!
//! A signal says that some child has changed, and several may be told as one. So the
//! thread *looks* for exited children. Those with pidfds are listed by the kernel. For the
//! others, and for those that nobody registered, it asks for whichever child has exited,
//! without reaping it, and reaps it if it is one of its own. The kernel goes through the
//! children of the process for that, up to the first that has exited. Only a zombie of
//! somebody else, standing in front, makes the thread ask all of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Attended, ROSTER, count_strangers_reaped};
use crate::process::identity::{PidfdSet, Record, recent};
use crate::process::sys::{self, Take, Target};
use crate::process::watcher::sigchld;
use crate::process::watcher::strangers::Sightings;

/// How often the thread looks by itself while it has children: a signal may be
/// blocked in every thread, or its handler replaced.
const WATCHDOG: Duration = Duration::from_millis(250);

/// How many of those looks are cheap, before one that asks each child: a thief leaves
/// no zombie to be seen.
const CHEAP_LOOKS: u32 = 2;

/// How long the thread, or its descriptor, stays when it has no children.
const LINGER: Duration = Duration::from_millis(100);

/// Looking for strangers takes a tenth of the thread's time, at the most.
const REST: u32 = 9;

pub(super) fn serve(generation: u64) {
    let mut looks = 0;
    let mut sweeper = Sweeper::default();
    let mut idle_since: Option<Instant> = None;
    let mut lingers = false;
    let mut is_deaf = !sigchld::is_installed();
    loop {
        let limit = match is_deaf {
            _ if lingers => LINGER,
            true => deaf_pause(),
            false => WATCHDOG,
        };
        let begun = Instant::now();
        let wait = limit.min(sweeper.is_owed_in().unwrap_or(limit));
        if !sigchld::wait_for_ring(milliseconds(wait)) {
            // Asked only then: what rings can be heard.
            is_deaf = !sigchld::is_installed();
        }
        if begun.elapsed() >= limit {
            looks += 1;
            warn_if_replaced();
        }
        // Where SIGCHLD is ignored the kernel leaves no zombie to be seen either.
        let ask_each = is_deaf || looks > CHEAP_LOOKS;
        if ask_each {
            looks = 0;
        }
        sweeper.sweep(ask_each);
        let mut roster = ROSTER.lock();
        if roster.generation != generation {
            return;
        }
        if roster.adopted.forget_gone() {
            count_strangers_reaped(&roster);
            roster.release_handler();
        }
        if roster.children.as_ref().is_some_and(|children| !children.is_empty()) {
            (idle_since, lingers) = (None, false);
            continue;
        }
        lingers = idle_since.get_or_insert_with(Instant::now).elapsed() < LINGER;
        if lingers {
            continue;
        }
        roster.pidfds = None;
        if !roster.wants_strangers() {
            roster.has_thread = false;
            return;
        }
    }
}

/// How long the thread waits where nothing rings: so long that asking the children takes
/// a few hundredths of its time.
fn deaf_pause() -> Duration {
    let asked = u32::try_from(ROSTER.lock().by_number).unwrap_or(u32::MAX);
    let pause = Duration::from_micros(20).saturating_mul(asked);
    pause.clamp(Duration::from_millis(10), WATCHDOG)
}

/// Rounded up: who is woken too early looks in vain.
fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// What the thread remembers from one look to the next.
#[derive(Default)]
struct Sweeper {
    sightings: Sightings,
    /// Told by their pidfds, and not to be reaped yet: a tracer holds them.
    held: Vec<Arc<Record>>,
    /// When strangers may be looked for again.
    rest_until: Option<Instant>,
    /// They were to be looked for meanwhile.
    is_owed: bool,
}

impl Sweeper {
    /// Returns when a look is due that was put off.
    fn is_owed_in(&self) -> Option<Duration> {
        let until = self.rest_until.filter(|_| self.is_owed)?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Reaps what has exited.
    fn sweep(&mut self, ask_each: bool) {
        self.reap_told();
        let (by_number, strangers) = {
            let roster = ROSTER.lock();
            (roster.by_number > 0, roster.wants_strangers())
        };
        // Where a child of our own may be seen, there is no rest.
        let now = Instant::now();
        let rests = self.rest_until.is_some_and(|until| now < until);
        self.is_owed = strangers && rests && !by_number;
        let ask_each = if by_number || (strangers && !rests) {
            let found_none = self.reap_seen();
            let end = Instant::now();
            self.rest_until = Some(end + (end - now) * REST);
            ask_each || !found_none
        } else {
            ask_each
        };
        if ask_each {
            reap_each();
        }
    }

    /// Reaps those whose pidfds say that they have exited.
    fn reap_told(&mut self) {
        self.held.retain(|record| !is_gone(record));
        let Some(pidfds) = ROSTER.lock().pidfds.clone() else { return };
        let mut pids = Vec::new();
        loop {
            let all_told = match pidfds.exited(&mut pids) {
                Ok(count) => count < PidfdSet::BATCH,
                // The next look may do better.
                Err(_) => true,
            };
            for pid in pids.drain(..) {
                // Reaped by others it is none of ours, and the name may be another's.
                let known = ROSTER.lock().find(pid as u32);
                self.held.extend(known.filter(|record| !is_gone(record)));
            }
            if all_told {
                return;
            }
        }
    }

    /// Reaps those that stand in front. Returns false if there may be more behind.
    fn reap_seen(&mut self) -> bool {
        loop {
            let exit = match sys::exit_now(Target::Any, Take::Look) {
                Ok(Some(exit)) => exit,
                Ok(None) => return true,
                // No child at all: those that we have were stolen.
                Err(_) => return false,
            };
            let known = ROSTER.lock().find(exit.pid);
            if let Some(record) = known {
                if is_gone(&record) && record.outcome().is_some() {
                    continue;
                }
            } else if take_any(exit.pid, &mut self.sightings) {
                continue;
            }
            // It stays in front, whoever it belongs to.
            reap_orphans(&mut self.sightings);
            return false;
        }
    }
}

/// Reaps a child, if it has exited and is wanted. Returns true if there is nothing to do for
/// it any more.
fn is_gone(record: &Arc<Record>) -> bool {
    let is_over = record.is_over();
    if is_over {
        ROSTER.lock().remove(record);
    }
    is_over
}

/// Asks each child, but for those that the kernel would tell of.
fn reap_each() {
    let asked = |child: &&Attended| !child.is_in_set || child.record.outcome().is_some();
    let all: Vec<_> = {
        let roster = ROSTER.lock();
        let children = roster.children.iter().flat_map(|children| children.values());
        children.filter(asked).map(|child| child.record.clone()).collect()
    };
    all.iter().for_each(|record| {
        is_gone(record);
    });
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
