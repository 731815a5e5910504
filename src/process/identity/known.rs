//! Which record a number or an id means.

use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

use policy_core::{ChildId, Error, ErrorKind};

use super::outcome::Outcome;
use super::pidfd::open_pidfd;
use super::recent;
use super::record::{Record, TABLE};
use crate::process::sys::{self, Take, Target, Whom};

impl Record {
    /// Returns the record of a child that a watcher was asked for.
    pub(crate) fn of(child: &ChildId) -> Arc<Self> {
        if let Some(known) = Self::known(child.pid()) {
            if known.is_same(child) {
                return known;
            }
            if known.outcome().is_none() {
                // The number is of another child by now, whose place in the table this is.
                return Self::unlisted(child.pid(), child.pidfd().cloned());
            }
        }
        if child.pidfd().is_none() {
            let before = Self::reaped_before(child.pid()).or_else(|| Self::last(child.pid()));
            if let Some(before) = before {
                return before;
            }
        }
        Self::new(child.pid(), child.pidfd().cloned())
    }

    /// Returns the record of the child with this number; makes one if it is ours.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchProcess`], [`ErrorKind::NotOurChild`].
    pub(crate) fn of_pid(pid: u32) -> Result<Arc<Self>, Error> {
        if let Some(known) = Self::named(pid) {
            return Ok(known);
        }
        // Before the check: what is true of the number while the descriptor is
        // open is true of the process behind it.
        let pidfd = open_pidfd(pid).ok();
        if sys::exit_now(Target::Pid(pid), Take::Look).is_ok() {
            return Ok(Self::new(pid, pidfd.map(Arc::new)));
        }
        match Self::reaped_before(pid) {
            Some(over) => Ok(over),
            None if process_exists(pid) => Err(ErrorKind::NotOurChild.into()),
            None => Err(ErrorKind::NoSuchProcess.into()),
        }
    }

    /// Returns the record of a child that a watcher reaped before it was asked for.
    fn reaped_before(pid: u32) -> Option<Arc<Self>> {
        let exit = recent::take(pid)?;
        let record = Self::over(pid, Outcome::Exited(exit.status));
        record.inner.lock().usage = exit.usage.map(Box::new);
        Some(record)
    }

    /// Returns the record of the child that had this number last, if none has it now.
    fn last(pid: u32) -> Option<Arc<Self>> {
        let last = Self::known(pid).filter(|known| known.outcome().is_some())?;
        sys::exit_now(Target::Pid(pid), Take::Look).is_err().then_some(last)
    }

    /// Returns the record of the child that has this number now, if it has one.
    pub(in crate::process) fn named(pid: u32) -> Option<Arc<Self>> {
        Self::known(pid).filter(|known| !known.is_stale())
    }

    /// Returns the record of the child with this number, if it has one.
    fn known(pid: u32) -> Option<Arc<Self>> {
        TABLE.lock().as_ref().and_then(|table| table.get(&pid)).and_then(Weak::upgrade)
    }

    fn is_same(&self, child: &ChildId) -> bool {
        let inner = self.inner.lock();
        match (child.pidfd(), &inner.pidfd) {
            (Some(theirs), Some(ours)) => Arc::ptr_eq(theirs, ours),
            // Reaped since the child was asked for: its status is here and nowhere else.
            (Some(theirs), None) if inner.outcome.is_some() => {
                std::ptr::eq(Arc::as_ptr(theirs), inner.former.as_ptr())
            }
            // A number alone means whoever has it now.
            _ => inner.outcome.is_none(),
        }
    }

    /// Returns true if the number means another process by now, or none.
    fn is_stale(&self) -> bool {
        let inner = self.inner.lock();
        if inner.outcome.is_some() || self.is_forked() {
            return true;
        }
        match &inner.pidfd {
            Some(pidfd) => sys::exit_now(Target::Pidfd(pidfd.as_fd()), Take::Look).is_err(),
            None => inner.began().is_some_and(|began| Some(began) != sys::start_time(self.pid)),
        }
    }
}

fn process_exists(pid: u32) -> bool {
    !matches!(
        sys::kill(pid, 0, Whom::One),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH)
    )
}
