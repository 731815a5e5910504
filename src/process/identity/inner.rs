//! Reaping and signalling, under one lock: by the pidfd where there is one, else by the
//! number and the time when its process began.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Outcome;
use super::limit::Permit;
use super::owner::{self, ChildOwner};
use super::terminal::Handover;
use super::thieves;
use crate::process::sys::{self, Take, Target, Whom};
use crate::process::usage::Usage;

/// What is known of a child, under the lock of its record.
pub(super) struct Inner {
    pub(super) pidfd: Option<Arc<OwnedFd>>,
    /// The pidfd itself is registered with some reactor: others use a copy, since
    /// one descriptor can't be registered twice.
    pub(super) registered: bool,
    /// The pidfd is kept when the child is reaped: it still names the group.
    pub(super) keep: bool,
    /// What tells the child from another with its number, where there is no pidfd.
    // Boxed, since most have one.
    pub(super) by_number: Option<Box<ByNumber>>,
    /// It counts among the children that are alive: see [`crate::process::limit`].
    pub(super) permit: Option<Permit>,
    /// It has our terminal. Boxed, since few have.
    pub(super) handover: Option<Box<Handover>>,
    pub(super) outcome: Option<Outcome>,
    /// Boxed: it is there only at the end.
    pub(super) usage: Option<Box<Usage>>,
    /// The pidfd by which the child was known while it was not settled.
    pub(super) former: Weak<OwnedFd>,
    /// Reaps the child in place of us.
    pub(super) owner: Option<Box<dyn ChildOwner>>,
    /// When it was made known, or last sent a signal.
    pub(super) touched: Instant,
}

/// A child that is known by its number and the time when it began.
pub(super) struct ByNumber {
    /// `None`: not to be known here.
    pub(super) began: Option<u64>,
    /// When that was last compared while the number's process ran.
    compared: Option<Instant>,
}

impl ByNumber {
    pub(super) fn new(pid: u32) -> Box<Self> {
        Box::new(Self { began: began(pid), compared: None })
    }
}

impl Inner {
    pub(super) fn settle(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        drop((self.permit.take(), self.handover.take()));
        if let Some(pidfd) = &self.pidfd {
            self.former = Arc::downgrade(pidfd);
        }
        // The descriptor is of no more use, unless a reactor has it.
        if !self.registered && !self.keep {
            self.pidfd = None;
        }
    }

    pub(super) fn reap(&mut self, pid: u32) -> Option<Outcome> {
        let found = match (&mut self.owner, &self.pidfd) {
            (Some(owner), _) => owner::ask(&mut **owner).map(|status| (status, None)),
            (None, Some(pidfd)) => {
                sys::exit_now(Target::Pidfd(pidfd.as_fd()), Take::Reap).map(split)
            }
            (None, None) => self.reap_by_number(pid).map(split),
        };
        match found {
            Ok((status, usage)) => {
                self.usage = usage.map(Box::new);
                status.map(Outcome::Exited)
            }
            Err(error) => match (error.raw_os_error(), &self.pidfd) {
                (Some(libc::ECHILD), pidfd) => {
                    thieves::note();
                    pidfd.as_ref().map_or(Some(Outcome::Lost), |fd| after_theft(fd.as_fd()))
                }
                _ => Some(Outcome::of_error(&error)),
            },
        }
    }

    fn reap_by_number(&mut self, pid: u32) -> io::Result<Option<sys::Exit>> {
        let runs = sys::exit_now(Target::Pid(pid), Take::Look)?.is_none();
        // Reading when a process began costs ten times the question whether it runs.
        if let Some(known) = &mut self.by_number {
            if runs && known.compared.is_some_and(|at| at.elapsed() < RECENTLY) {
                return Ok(None);
            }
            known.compared = Some(Instant::now());
        }
        if self.is_another(pid) {
            // Its status is not ours to take, nor its end to wait for.
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        }
        if runs {
            return Ok(None);
        }
        sys::exit_now(Target::Pid(pid), Take::Reap)
    }

    pub(super) fn signal(&self, pid: u32, signal: i32, whom: Whom) -> io::Result<()> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let Some(pidfd) = &self.pidfd else {
            return self.signal_by_number(pid, signal, whom);
        };
        if whom == Whom::One {
            // A zombie takes signals without a word: asked first, so that the
            // caller learns that they came too late.
            if self.outcome.is_some() || sys::is_readable(pidfd.as_fd()) {
                return Err(gone());
            }
        }
        match sys::pidfd_send_signal(pidfd.as_fd(), signal, whom) {
            // It has left the group that it led, or that is empty.
            Err(error) if whom == Whom::Group && error.raw_os_error() == Some(libc::ESRCH) => {
                self.signal(pid, signal, Whom::One)
            }
            // Refused by a sandbox, or not known to this kernel.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
                    || (whom == Whom::Group && error.raw_os_error() == Some(libc::EINVAL)) =>
            {
                self.signal_by_number(pid, signal, whom)
            }
            result => result,
        }
    }

    pub(super) fn has_group(&self, pid: u32) -> bool {
        let by_number = || self.outcome.is_none() && is_there(&sys::kill(pid, 0, Whom::Group));
        let Some(pidfd) = &self.pidfd else { return by_number() };
        match sys::pidfd_send_signal(pidfd.as_fd(), 0, Whom::Group) {
            // Not known to this kernel.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
                by_number()
            }
            asked => is_there(&asked),
        }
    }

    fn signal_by_number(&self, pid: u32, signal: i32, whom: Whom) -> io::Result<()> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        if self.outcome.is_some() {
            return Err(gone());
        }
        match sys::exit_now(Target::Pid(pid), Take::Look) {
            Ok(None) if !self.is_another(pid) => {}
            // The zombie holds the number, of the group as well.
            Ok(Some(_)) if whom == Whom::Group && !self.is_another(pid) => {}
            _ => return Err(gone()),
        }
        sys::kill(pid, signal, whom)
    }

    /// Returns true if the number was given to another process meanwhile. The caller
    /// knows that there is one.
    pub(super) fn is_another(&self, pid: u32) -> bool {
        match (self.began(), sys::start_time(pid)) {
            (Some(NEVER), _) => true,
            (Some(before), Some(now)) => before != now,
            // Not to be known just now: no descriptor is free to look with.
            _ => false,
        }
    }

    /// Returns when the child began, if it is known by that.
    pub(super) fn began(&self) -> Option<u64> {
        self.by_number.as_ref().and_then(|known| known.began)
    }
}

/// Returns true if a signal was meant for somebody, allowed or not.
fn is_there(asked: &io::Result<()>) -> bool {
    !matches!(asked, Err(error) if error.raw_os_error() == Some(libc::ESRCH))
}

fn split(exit: Option<sys::Exit>) -> (Option<ExitStatus>, Option<Usage>) {
    (exit.map(|exit| exit.status), exit.and_then(|exit| exit.usage))
}

/// Finds the status of a child that somebody else reaped. `None`: it is on its way.
fn after_theft(pidfd: BorrowedFd<'_>) -> Option<Outcome> {
    // A child that is being reaped is ours no longer a moment before the kernel writes
    // its status down; on a loaded machine that moment is long.
    for _ in 0..100 {
        // Asked first: what is not written down when the process is gone never is.
        let is_gone = sys::has_hung_up(pidfd);
        match sys::status_after_reap(pidfd) {
            Ok(Some(status)) => return Some(Outcome::Exited(status)),
            // The latter if the number went while the kernel was looking.
            Ok(None) if !is_gone => std::thread::yield_now(),
            Err(error) if !is_gone && error.raw_os_error() == Some(libc::ESRCH) => {
                std::thread::yield_now();
            }
            Ok(None) => return Some(Outcome::Lost),
            // Linux before 6.15, or a sandbox.
            Err(_) if sys::is_readable(pidfd) => return Some(Outcome::Lost),
            Err(_) => return Some(Outcome::NotOurs),
        }
    }
    // One that lives is somebody else's; one that has exited is asked again.
    if sys::is_readable(pidfd) { None } else { Some(Outcome::NotOurs) }
}

/// Returns when a child began; `None` if that can't be known here.
fn began(pid: u32) -> Option<u64> {
    sys::start_time(pid).or_else(|| {
        // The child is gone, then, and its number may be anybody's: it is never right.
        sys::start_time(std::process::id()).map(|_| NEVER)
    })
}

/// A child that runs is taken for ours so long after it was compared.
const RECENTLY: Duration = Duration::from_secs(1);

/// A time when no child began.
const NEVER: u64 = u64::MAX;
