//! Who a child is: one record, shared by whoever has to do with it.
//!
//! A pid is free for another process as soon as the child is reaped, so reaping
//! and signalling are done here, under one lock, by the pidfd where there is one.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use policy_core::sync::wakers::{Seat, Wakers};
use policy_core::sync::{Mutex, isolated};
use policy_core::{ChildId, Error, ErrorKind, local::fork_generation};

use super::claim::Lease;
use super::inner::{ByNumber, Inner};
use super::limit::Permit;
use super::outcome::Outcome;
use super::owner::ChildOwner;
use super::pidfd::open_pidfd;
use super::terminal::Handover;
use super::thieves;
use crate::process::sys::{self, Take, Target, Whom};
use crate::process::usage::Usage;

/// A child, from its start (or from the first time that it was asked for) until
/// its status is known, and longer.
pub(crate) struct Record {
    pub(super) pid: u32,
    /// A forked copy of this process has no children of ours.
    generation: u64,
    pub(super) inner: Mutex<Inner>,
    /// Tasks that wait for the outcome.
    waiters: Wakers,
    /// How many want it to be reaped: see [`Claim`].
    pub(super) claims: AtomicUsize,
    /// Somebody reaps it when it exits, whether or not a task is polled.
    attended: AtomicBool,
}

/// The records that somebody holds, by number: the latest of each.
pub(super) static TABLE: Mutex<Option<HashMap<u32, Weak<Record>>>> = Mutex::new(None);

impl Record {
    /// Makes the record of a child that was just started.
    ///
    /// Without a pidfd the child is known by its number and the time it began.
    pub(crate) fn new(pid: u32, pidfd: Option<Arc<OwnedFd>>) -> Arc<Self> {
        Self::list(Self::unlisted(pid, pidfd))
    }

    /// Makes the record of a child that somebody else reaps.
    pub(in crate::process) fn owned(
        pid: u32,
        pidfd: Option<Arc<OwnedFd>>,
        owner: Box<dyn ChildOwner>,
    ) -> Arc<Self> {
        let record = Self::unlisted(pid, pidfd);
        // First the owner, then the place where others find the child.
        record.inner.lock().owner = Some(owner);
        Self::list(record)
    }

    /// Makes the record of a child that is over; 0 if it has no number any more.
    pub(in crate::process) fn over(pid: u32, outcome: Outcome) -> Arc<Self> {
        let record = Self::unlisted(pid, None);
        record.inner.lock().outcome = Some(outcome);
        record
    }

    pub(super) fn list(record: Arc<Self>) -> Arc<Self> {
        // A record that has the number already is of a child that somebody else
        // reaped; it stays with whoever holds it.
        TABLE.lock().get_or_insert_default().insert(record.pid, Arc::downgrade(&record));
        record
    }

    pub(super) fn unlisted(pid: u32, pidfd: Option<Arc<OwnedFd>>) -> Arc<Self> {
        let by_number = if pidfd.is_none() { Some(ByNumber::new(pid)) } else { None };
        Arc::new(Self {
            pid,
            generation: fork_generation(),
            inner: Mutex::new(Inner {
                pidfd,
                registered: false,
                keep: false,
                by_number,
                permit: None,
                handover: None,
                outcome: None,
                usage: None,
                former: Weak::new(),
                owner: None,
                touched: Instant::now(),
            }),
            waiters: Wakers::default(),
            claims: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the name under which a watcher is asked for this child.
    pub(crate) fn id(&self) -> ChildId {
        match self.pidfd() {
            Some(pidfd) => ChildId::with_pidfd(self.pid, pidfd),
            None => ChildId::from_pid(self.pid),
        }
    }

    pub(crate) fn pidfd(&self) -> Option<Arc<OwnedFd>> {
        self.inner.lock().pidfd.clone()
    }

    /// Returns a descriptor of the child to register with a reactor: the pidfd
    /// itself for the first who asks, a copy for others.
    pub(in crate::process) fn lease(self: &Arc<Self>) -> io::Result<Option<Lease>> {
        let mut inner = self.inner.lock();
        let Some(pidfd) = &inner.pidfd else { return Ok(None) };
        if inner.registered {
            let fd = Arc::new(pidfd.try_clone()?);
            return Ok(Some(Lease { fd, of: None }));
        }
        let fd = pidfd.clone();
        inner.registered = true;
        Ok(Some(Lease { fd, of: Some(self.clone()) }))
    }

    /// Opens the pidfd, if the child was named by its number alone.
    pub(in crate::process) fn ensure_pidfd(&self) -> io::Result<()> {
        let mut inner = self.inner.lock();
        if inner.pidfd.is_some() || inner.outcome.is_some() {
            return Ok(());
        }
        let opened = open_pidfd(self.pid).and_then(|pidfd| {
            // While the descriptor is open its process keeps the number, or is gone.
            sys::exit_now(Target::Pidfd(pidfd.as_fd()), Take::Look)?;
            Ok(pidfd)
        });
        match opened {
            Ok(pidfd) if !inner.is_another(self.pid) => {
                inner.pidfd = Some(Arc::new(pidfd));
                return Ok(());
            }
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ECHILD)) => {
                return Err(error);
            }
            _ => {}
        }
        // The number is nobody's, or another's: somebody took the status.
        thieves::note();
        inner.settle(Outcome::Lost);
        drop(inner);
        self.settled();
        Ok(())
    }

    /// Keeps the pidfd for as long as the record lives.
    pub(crate) fn keep_pidfd(&self) {
        self.inner.lock().keep = true;
    }

    /// Gives the pidfd up: from now on the child is known by its number.
    pub(in crate::process) fn shed_pidfd(&self) {
        let mut inner = self.inner.lock();
        if inner.registered || inner.keep || inner.outcome.is_some() || inner.pidfd.is_none() {
            return;
        }
        inner.by_number = Some(ByNumber::new(self.pid));
        inner.former = inner.pidfd.take().as_ref().map(Arc::downgrade).unwrap_or_default();
    }

    /// Returns how the child ended, if that is known. Asks nobody.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        if self.is_forked() {
            return Some(Outcome::Forked);
        }
        self.inner.lock().outcome
    }

    /// Returns true in a forked copy of the process whose child this is.
    pub(crate) fn is_forked(&self) -> bool {
        self.generation != fork_generation()
    }

    /// Reaps the child if it has exited. `None`: it has not.
    pub(crate) fn try_reap(&self) -> Option<Outcome> {
        self.try_reap_as(&mut None)
    }

    /// As [`try_reap`](Self::try_reap), for one of the tasks that wait: it knows then, and
    /// to wake it would be a turn of its loop in vain.
    pub(in crate::process) fn try_reap_as(&self, seat: &mut Option<Seat>) -> Option<Outcome> {
        if self.is_forked() {
            return Some(Outcome::Forked);
        }
        let mut inner = self.inner.lock();
        if inner.outcome.is_some() {
            return inner.outcome;
        }
        let outcome = inner.reap(self.pid)?;
        inner.settle(outcome);
        drop(inner);
        self.waiters.leave(seat);
        self.settled();
        Some(outcome)
    }

    /// As [`try_reap`](Self::try_reap), for who only serves those that want it.
    pub(in crate::process) fn try_reap_if_claimed(&self) -> Option<Outcome> {
        match self.claims.load(Ordering::Acquire) {
            0 => self.outcome(),
            _ => self.try_reap(),
        }
    }

    /// Notes an outcome that a watcher of somebody else found out.
    pub(crate) fn settle(&self, outcome: Outcome) {
        let mut inner = self.inner.lock();
        if inner.outcome.is_some() {
            return;
        }
        inner.settle(outcome);
        drop(inner);
        self.settled();
    }

    /// Gives the child its place among those that are alive, until it is reaped.
    pub(in crate::process) fn count(&self, permit: Permit) {
        let mut inner = self.inner.lock();
        inner.permit = Some(permit).filter(|_| inner.outcome.is_none());
    }

    /// Takes our terminal back from the child when it has ended.
    pub(in crate::process) fn has_terminal(&self, handover: Handover) {
        let mut inner = self.inner.lock();
        inner.handover = Some(Box::new(handover)).filter(|_| inner.outcome.is_none());
    }

    /// As [`settle`](Self::settle), for a child that we have reaped without its record.
    pub(in crate::process) fn settle_reaped(&self, exit: sys::Exit) {
        self.inner.lock().usage = exit.usage.map(Box::new);
        self.settle(Outcome::Exited(exit.status));
    }

    /// Returns what the child has used, once it was reaped by us.
    pub(in crate::process) fn usage(&self) -> Option<Usage> {
        self.inner.lock().usage.as_deref().copied()
    }

    fn settled(&self) {
        self.waiters.wake_all();
    }

    /// See [`ChildOwner::close_stdin`].
    pub(in crate::process) fn close_stdin(&self) {
        let mut inner = self.inner.lock();
        if let Some(owner) = &mut inner.owner {
            isolated("the owner", || owner.close_stdin());
        }
    }

    /// Drops the owner, unless others wait for the child by this record.
    pub(in crate::process) fn release_owner(&self) {
        if self.claims.load(Ordering::Acquire) > 1 {
            return;
        }
        let owner = self.inner.lock().owner.take();
        if self.is_forked() {
            // It would kill or reap its parent's child.
            std::mem::forget(owner);
        }
    }

    /// Sends a signal to this child, and never to another process.
    ///
    /// # Errors
    /// [`ErrorKind::ChildExited`], [`ErrorKind::InvalidInput`], [`ErrorKind::Io`].
    pub(crate) fn signal(&self, signal: i32, whom: Whom) -> Result<(), Error> {
        if self.is_forked() {
            return Outcome::Forked.into_result().map(drop);
        }
        // Held until the signal is sent: nobody of ours reaps meanwhile.
        let mut inner = self.inner.lock();
        let sent = inner.signal(self.pid, signal, whom);
        inner.touched = Instant::now();
        drop(inner);
        sent.map_err(|error| match error.raw_os_error() {
            Some(libc::ESRCH) => ErrorKind::ChildExited.into(),
            Some(libc::EINVAL) => Error::new(
                ErrorKind::InvalidInput,
                format!("there is no signal {signal}; see `kill -l`"),
            )
            .with_source(error),
            _ => Error::io(
                format!("can't send signal {signal} to process {}; it runs as another user or is out of reach", self.pid),
                error,
            ),
        })
    }

    /// Returns true if the group that the child leads, or led, has anybody in it that can be
    /// signalled by it; zombies count.
    pub(in crate::process) fn has_group(&self) -> bool {
        !self.is_forked() && self.inner.lock().has_group(self.pid)
    }

    pub(in crate::process) fn waiters(&self) -> &Wakers {
        &self.waiters
    }

    /// Takes the duty to reap the child whatever is polled. Returns false if
    /// somebody has it.
    pub(in crate::process) fn attend(&self) -> bool {
        !self.attended.swap(true, Ordering::AcqRel)
    }

    pub(in crate::process) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Acquire)
    }

    /// Lays the duty of [`attend`](Self::attend) down.
    pub(in crate::process) fn unattend(&self) {
        self.attended.store(false, Ordering::Release);
    }

    /// Returns true if somebody wants the child to be reaped.
    pub(in crate::process) fn is_claimed(&self) -> bool {
        self.claims.load(Ordering::Acquire) > 0
    }

    /// Wants the child to be reaped for ever.
    pub(in crate::process) fn abandon(&self) {
        self.claims.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns true if there is nothing to do for this child any more.
    pub(in crate::process) fn is_over(&self) -> bool {
        if self.try_reap_if_claimed().is_some() {
            return true;
        }
        if self.is_claimed() {
            return false;
        }
        // Nobody wants it: it is left to whoever will, as soon as it has exited.
        let exited = match self.pidfd() {
            Some(pidfd) => sys::is_readable(pidfd.as_fd()),
            None => !matches!(sys::exit_now(Target::Pid(self.pid), Take::Look), Ok(None)),
        };
        if exited {
            self.unattend();
            // Claimed in between, and told that it is attended: it still is.
            return !(self.is_claimed() && self.attend());
        }
        false
    }

    /// Returns true if somebody else has reaped the child.
    pub(in crate::process) fn is_stolen(&self) -> bool {
        // Asked without the lock, which a loop may want just now to reap the child; and
        // by the descriptor, so the answer is of this child.
        let Some(pidfd) = self.unsettled_pidfd() else { return false };
        let is_gone = sys::exit_now(Target::Pidfd(pidfd.as_fd()), Take::Look)
            .is_err_and(|error| error.raw_os_error() == Some(libc::ECHILD));
        drop(pidfd);
        // Reaped by us it is settled before the lock is free again.
        is_gone && self.inner.lock().outcome.is_none()
    }

    /// Returns true if the child was started, or sent a signal, so lately that asking whether
    /// it has exited is in vain: loading a program takes longer, and so does ending one.
    pub(in crate::process) fn was_just_touched(&self) -> bool {
        const A_MOMENT: Duration = Duration::from_micros(200);

        self.inner.lock().touched.elapsed() < A_MOMENT
    }

    fn unsettled_pidfd(&self) -> Option<Arc<OwnedFd>> {
        let inner = self.inner.lock();
        inner.pidfd.clone().filter(|_| inner.outcome.is_none())
    }

    /// Takes the record out of the table, unless another has its place there.
    fn forget(&self) {
        let mut table = TABLE.lock();
        let Some(table) = table.as_mut() else { return };
        if table.get(&self.pid).is_some_and(|entry| std::ptr::eq(entry.as_ptr(), self)) {
            table.remove(&self.pid);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("pid", &self.pid)
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::zombie_processes, reason = "a test that fails panics")]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_was_reaped_is_still_known_by_the_names_that_it_had() {
        let started = std::process::Command::new("true").spawn().unwrap();
        let Ok(pidfd) = open_pidfd(started.id()) else {
            return println!("skipped: no pidfds here");
        };
        let record = Record::new(started.id(), Some(Arc::new(pidfd)));
        let id = record.id();
        while record.try_reap().is_none() {
            std::thread::yield_now();
        }
        assert!(Arc::ptr_eq(&Record::of(&id), &record));
        assert!(Arc::ptr_eq(&Record::of(&ChildId::from_pid(record.pid())), &record));
    }
}
