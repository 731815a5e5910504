//! The future of a child's exit, as all watchers of this crate give it.

use std::fmt;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::sync::wakers::{Seat, Wakers};
use policy_core::{Error, ErrorKind, ExitFuture, Interest};

use super::threads;
use crate::process::background;
use crate::process::background::rover::Rover;
use crate::process::identity::{Claim, Lease, Outcome, Record};
use crate::process::sys;

/// Waits for one child. Any number may wait for the same; each is woken for itself.
pub(in crate::process) struct Watch {
    claim: Claim,
    how: How,
    /// Ends the wait when the watcher is closed.
    gate: Option<Arc<Gate>>,
    in_record: Option<Seat>,
    in_gate: Option<Seat>,
}

enum How {
    /// By the pidfd, on the loop that polls.
    ///
    /// In this order: the descriptor leaves the reactor before it is free for
    /// another registration.
    Pidfd { rover: Rover, _lease: Lease, held: u32 },
    /// Somebody else reaps the child and tells.
    Told,
}

/// How long a child is left alone that has exited and can't be reaped yet: a
/// tracer holds it. Doubles with each time that it was found so, up to 80 ms.
fn pause(held: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(5);
    FIRST * (1 << held.min(4))
}

impl Watch {
    /// Waits by the child's pidfd.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if there is none, or a copy is needed and can't be had.
    pub(in crate::process) fn by_pidfd(
        record: Arc<Record>,
        gate: Option<Arc<Gate>>,
    ) -> Result<Self, Error> {
        let lease = match record.lease() {
            Ok(Some(lease)) => lease,
            // Settled meanwhile: nothing to wait for.
            Ok(None) if record.outcome().is_some() => return Ok(Self::told(record, gate)),
            Ok(None) => {
                return Err(Error::io(
                    format!("process {} has no pidfd; use another watcher", record.pid()),
                    std::io::ErrorKind::Unsupported.into(),
                ));
            }
            Err(error) => {
                return Err(Error::io(
                    "can't copy a pidfd; raise the limit of open files (`ulimit -n`)",
                    error,
                ));
            }
        };
        let rover = Rover::new(lease.fd().clone());
        Ok(Self::new(record, gate, How::Pidfd { rover, _lease: lease, held: 0 }))
    }

    /// Waits until somebody who attends the child has reaped it.
    pub(in crate::process) fn told(record: Arc<Record>, gate: Option<Arc<Gate>>) -> Self {
        Self::new(record, gate, How::Told)
    }

    /// Waits in whatever way there is, for as long as it takes.
    pub(in crate::process) fn ungated(record: Arc<Record>) -> Result<Self, Error> {
        if !cfg!(policy_force_threaded_watcher) {
            if let Ok(watch) = Self::by_pidfd(record.clone(), None) {
                return Ok(watch);
            }
        }
        // Claimed first: a thread leaves a child alone that nobody claims.
        let watch = Self::told(record.clone(), None);
        threads::global().attend(&record)?;
        Ok(watch)
    }

    fn new(record: Arc<Record>, gate: Option<Arc<Gate>>, how: How) -> Self {
        Self { claim: Claim::new(record), how, gate, in_record: None, in_gate: None }
    }

    fn record(&self) -> &Arc<Record> {
        self.claim.record()
    }

    /// Returns what is known now.
    fn known(&self) -> Option<Result<ExitStatus, Error>> {
        // A status that is there counts more than a watcher that is not.
        if let Some(outcome) = self.record().outcome() {
            return Some(outcome.into_result());
        }
        if self.gate.as_ref().is_some_and(|gate| gate.is_closed()) {
            return Some(Err(ErrorKind::WatcherClosed.into()));
        }
        None
    }

    /// Reaps the child if it has exited before anybody waited: that takes no reactor, and no
    /// place among those that wait.
    fn look_first(&self) -> Option<Result<ExitStatus, Error>> {
        let record = self.claim.record();
        match &self.how {
            How::Pidfd { rover, .. } if !rover.is_registered() && !record.was_just_touched() => {
                record.try_reap().map(Outcome::into_result)
            }
            _ => None,
        }
    }

    fn poll_pidfd(&mut self, cx: &mut Context<'_>) -> Poll<Result<ExitStatus, Error>> {
        let Self { claim, how: How::Pidfd { rover, held, .. }, in_record, .. } = self else {
            return Poll::Pending;
        };
        let mut outcome = None;
        let mut reap = |fd: BorrowedFd<'_>| {
            outcome = claim.record().try_reap_as(in_record);
            if outcome.is_none() && !sys::is_readable(fd) {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            // It may have exited between the two.
            outcome = outcome.or_else(|| claim.record().try_reap_as(in_record));
            Ok(if outcome.is_some() { REAPED } else { HELD })
        };
        // Nothing is asked of a child that runs: its exit is the reactor's to know.
        let ready = match rover.poll_ready(cx, Interest::Readable) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(ready) => ready,
        };
        let polled = match ready {
            Ok(Ok(())) => rover.poll_io(cx, Interest::Readable, &mut reap),
            Ok(Err(error)) => Poll::Ready(Ok(Err(error))),
            Err(error) => Poll::Ready(Err(error)),
        };
        let polled = match polled {
            Poll::Ready(Ok(Err(_))) if !rover.is_in_background() => {
                // The reactor failed, since `reap` does not: its loop is ending.
                match rover.move_to_background() {
                    Ok(()) => rover.poll_io(cx, Interest::Readable, &mut reap),
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
            polled => polled,
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Ok(HELD))) => {
                // Waiting for readiness would not wait at all.
                background::wake_after(pause(*held), cx.waker().clone());
                *held = held.saturating_add(1);
                Poll::Pending
            }
            Poll::Ready(Ok(Ok(_))) => Poll::Ready(outcome.map_or_else(lost, Outcome::into_result)),
            Poll::Ready(Ok(Err(_)) | Err(_)) => self.fall_back(cx),
        }
    }

    /// No reactor takes the descriptor: a thread waits.
    fn fall_back(&mut self, cx: &mut Context<'_>) -> Poll<Result<ExitStatus, Error>> {
        self.how = How::Told;
        if let Err(error) = threads::global().attend(self.record()) {
            return Poll::Ready(Err(error));
        }
        // It may have been told before this task was remembered.
        match self.known() {
            Some(known) => Poll::Ready(known),
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

const REAPED: usize = 0;
const HELD: usize = 1;

fn lost() -> Result<ExitStatus, Error> {
    Outcome::Lost.into_result()
}

impl Future for Watch {
    type Output = Result<ExitStatus, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(known) = this.known().or_else(|| this.look_first()) {
            return Poll::Ready(known);
        }
        this.claim.record().waiters().join(&mut this.in_record, cx.waker());
        if let Some(gate) = &this.gate {
            gate.waiters.join(&mut this.in_gate, cx.waker());
        }
        // Again, for what happened before this task was remembered.
        if let Some(known) = this.known() {
            return Poll::Ready(known);
        }
        match this.how {
            How::Pidfd { .. } => this.poll_pidfd(cx),
            How::Told => Poll::Pending,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.claim.record().waiters().leave(&mut self.in_record);
        if let Some(gate) = &self.gate {
            gate.waiters.leave(&mut self.in_gate);
        }
    }
}

impl From<Watch> for ExitFuture {
    fn from(watch: Watch) -> Self {
        Self::new(watch)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("record", self.record()).finish_non_exhaustive()
    }
}

/// Whether a watcher is open, and who waits through it.
#[derive(Debug, Default)]
pub(in crate::process) struct Gate {
    closed: AtomicBool,
    waiters: Wakers,
}

impl Gate {
    pub(in crate::process) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// # Errors
    /// [`ErrorKind::WatcherClosed`].
    pub(in crate::process) fn check(&self) -> Result<(), Error> {
        if self.is_closed() { Err(ErrorKind::WatcherClosed.into()) } else { Ok(()) }
    }

    /// Closes, and ends the waits. Returns false if it was closed before.
    pub(in crate::process) fn close(&self) -> bool {
        if self.closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.waiters.wake_all();
        true
    }
}

/// Waits for a just killed child on this thread, a moment at most: killed children
/// go quickly, but for those that the kernel or a tracer holds.
pub(in crate::process) fn reap_soon(record: &Record) -> bool {
    for _ in 0..200 {
        if record.try_reap().is_some() {
            return true;
        }
        match record.pidfd() {
            Some(pidfd) if !sys::is_readable(pidfd.as_fd()) => {
                sys::wait_readable(pidfd.as_fd(), 5);
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    false
}
