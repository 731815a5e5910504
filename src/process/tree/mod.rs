//! What a child has started, and what has started that, as far as can be reached.
//!
//! Three ways, the best that there is for each child:
//!
//! - A control group of its own. Nobody leaves that by himself, and `cgroup.kill` ends all
//!   of it at once.
//! - The process group, and the descendants that have left it: found by who their parents
//!   are, while those are alive.
//! - The orphans among them, where this process is one that orphans come to.

mod descendants;
mod mark;

use std::future::poll_fn;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use policy_core::Interest;

pub(super) use descendants::Descendants;
pub(super) use mark::Mark;

use crate::process::background::delay::Delay;
use crate::process::background::rover::Rover;
use crate::process::cgroup::{OwnCgroup, WayIn};
use crate::process::identity::Record;
use crate::process::reach::TreeReach;
use crate::process::sys::{self, Whom};

/// A child whose tree ends with it.
#[derive(Debug)]
pub(super) struct Tree {
    cgroup: Option<OwnCgroup>,
    mark: Option<Mark>,
}

/// What is left of a tree.
pub(super) enum Survivor {
    None,
    /// This one at least.
    One(Arc<OwnedFd>),
    /// Something is, which can't be seen here.
    Unknown,
}

impl Tree {
    /// Makes ready for a child that is about to be started, and is born in this group if
    /// there is one.
    pub(super) fn new(cgroup: Option<OwnCgroup>) -> Box<Self> {
        let can_kill = cgroup.as_ref().is_some_and(OwnCgroup::can_kill);
        let mark = if !can_kill && sys::is_subreaper() { Some(Mark::new()) } else { None };
        Box::new(Self { cgroup, mark })
    }

    /// Returns what the child needs to become a member. `None` if there is no group, or no
    /// descriptor left: then there is no group any more.
    pub(super) fn way_in(&mut self) -> Option<WayIn> {
        let way_in = self.cgroup.as_ref().and_then(|cgroup| cgroup.way_in().ok());
        if way_in.is_none() && self.cgroup.is_some() {
            *self = *Self::new(None);
        }
        way_in
    }

    /// Returns what the environment of the child is to say, if anything.
    pub(super) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// The group, if all of it can be killed at once.
    fn killer(&self) -> Option<&OwnCgroup> {
        self.cgroup.as_ref().filter(|cgroup| cgroup.can_kill())
    }

    pub(super) fn reach(&self) -> TreeReach {
        match (self.killer(), &self.mark) {
            (Some(_), _) => TreeReach::Cgroup,
            (None, Some(_)) => TreeReach::Orphans,
            (None, None) => TreeReach::Group,
        }
    }

    /// Kills all that is left. Returns true if there was anything that only this reaches.
    pub(super) fn kill(&self, record: &Record) -> bool {
        if let Some(cgroup) = self.killer() {
            return cgroup.kill();
        }
        // The child first: one that is stopped starts nothing more.
        let is_there = || record.signal(0, Whom::One).is_ok();
        let root = record.signal(libc::SIGSTOP, Whom::One).is_ok().then_some(record.pid());
        let orphans = self.orphans(record.pid());
        let found = root.is_some() || !orphans.is_empty();
        let descendants = Descendants::stop(root, is_there, orphans);
        // In this order: killed first, the child would leave its children to others.
        let _gone = record.signal(libc::SIGKILL, Whom::Group);
        descendants.kill();
        found
    }

    /// Returns what is known to belong to the tree, beside the child.
    pub(super) fn members(&self, record: &Record) -> Descendants {
        let is_there = || record.signal(0, Whom::One).is_ok();
        let more = match self.killer() {
            Some(cgroup) => cgroup.members(record.pid()),
            None => self.orphans(record.pid()),
        };
        Descendants::of(record.pid(), is_there, more)
    }

    /// Waits until nothing of the tree is left but zombies, which somebody else reaps.
    pub(super) async fn ended(&self, record: &Record, known: &Descendants) {
        loop {
            match self.survivor(record, known) {
                Survivor::None => return,
                Survivor::One(pidfd) => exited(pidfd).await,
                Survivor::Unknown => Delay::wait(PAUSE).await,
            }
        }
    }

    fn survivor(&self, record: &Record, known: &Descendants) -> Survivor {
        if let Some(pidfd) = known.survivor() {
            return Survivor::One(pidfd);
        }
        let more = match self.killer() {
            Some(cgroup) => cgroup.members(record.pid()),
            None => self.orphans(record.pid()),
        };
        let is_alive = |(_, fd): &(u32, OwnedFd)| !sys::is_readable(std::os::fd::AsFd::as_fd(fd));
        match more.into_iter().find(is_alive) {
            Some((_, pidfd)) => Survivor::One(Arc::new(pidfd)),
            None if record.has_group() => descendants::survivor_in(record.pid()),
            None => Survivor::None,
        }
    }

    fn orphans(&self, child: u32) -> Vec<(u32, OwnedFd)> {
        self.mark.as_ref().map(|mark| mark.orphans(child)).unwrap_or_default()
    }
}

/// How often a group is asked for where it can't be seen who is in it.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until a process has exited.
async fn exited(pidfd: Arc<OwnedFd>) {
    let mut rover = Rover::new(pidfd);
    let mut has_exited = |fd: BorrowedFd<'_>| match sys::is_readable(fd) {
        true => Ok(0),
        false => Err(io::ErrorKind::WouldBlock.into()),
    };
    let waited = poll_fn(|cx| rover.poll_io(cx, Interest::Readable, &mut has_exited)).await;
    if !matches!(waited, Ok(Ok(_))) {
        // No reactor takes it: whoever waits asks again.
        Delay::wait(PAUSE).await;
    }
}
