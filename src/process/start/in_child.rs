//! What a child does to itself between `fork` and `exec`.
//!
//! Everything here may run in a forked copy of a process with threads: no locks that
//! others hold, no memory from the allocator, only calls that signal-safety(7) allows.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command as StdCommand;
use std::sync::{Arc, Mutex};

use rustix::process::Pid;

use super::pass_fd;
use crate::process::sys;
use crate::process::wakers::lock;

/// What is asked of a child. A command without any of this keeps std's faster way to
/// start one (`posix_spawn`).
#[derive(Debug, Default)]
pub(in crate::process) struct Plan {
    pub(in crate::process) session: bool,
    pub(in crate::process) death_signal: Option<i32>,
    pub(in crate::process) limits: Vec<(sys::Resource, sys::Limit)>,
    pub(in crate::process) passed: Vec<OwnedFd>,
    /// The child opens its own pidfd and sends it here.
    report: Option<OwnedFd>,
    parent: u32,
    /// The std command calls [`Plan::apply`] already.
    is_hooked: bool,
}

/// Makes a command do what the plan says, from now on.
#[allow(unsafe_code, reason = "code that runs in a forked copy of this process")]
pub(in crate::process) fn hook(command: &mut StdCommand, plan: &Arc<Mutex<Plan>>) {
    {
        let mut plan = lock(plan);
        plan.parent = std::process::id();
        if std::mem::replace(&mut plan.is_hooked, true) {
            return;
        }
    }
    let plan = plan.clone();
    let apply = move || match plan.try_lock() {
        Ok(plan) => plan.apply(),
        Err(_) => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
    };
    // SAFETY: `Plan::apply` makes system calls and nothing else. The lock is only
    // tried, which is an atomic, and is free: whoever starts a child holds the command,
    // and nobody changes the plan meanwhile.
    unsafe { command.pre_exec(apply) };
}

/// Our end of the way by which a child sends its pidfd.
pub(in crate::process) struct Report(OwnedFd);

impl Report {
    /// Asks the next child for its pidfd. `None`: there are no descriptors left, or no
    /// pidfds here.
    pub(in crate::process) fn expect(plan: &Mutex<Plan>) -> Option<Self> {
        let (ours, theirs) = pass_fd::pair().ok()?;
        lock(plan).report = Some(theirs);
        Some(Self(ours))
    }

    /// Takes what the child has sent: it has executed its program by now.
    pub(in crate::process) fn take(self, plan: &Mutex<Plan>) -> Option<OwnedFd> {
        drop(lock(plan).report.take());
        pass_fd::receive(&self.0)
    }
}

impl Plan {
    /// Runs in the child.
    fn apply(&self) -> io::Result<()> {
        if let Some(report) = &self.report {
            // Where pidfds are refused, the parent finds nothing and goes by number.
            if let Ok(own) = sys::pidfd_open(std::process::id()) {
                pass_fd::send(report, &own)?;
            }
        }
        if self.session {
            self.lead_session()?;
        }
        for (resource, limit) in &self.limits {
            sys::set_limit(*resource, *limit)?;
        }
        for fd in &self.passed {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())?;
        }
        if let Some(signal) = self.death_signal {
            sys::set_death_signal(signal)?;
            // The parent may have gone before that; then nobody would send it.
            if sys::parent() != self.parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    }

    fn lead_session(&self) -> io::Result<()> {
        match rustix::process::setsid() {
            // The leader of a group can't be the leader of a new session, and std has made
            // it one already. Back in the group of its parent it can; the session's leader
            // then leads a group of the same number.
            Err(rustix::io::Errno::PERM) => {
                let parent = Pid::from_raw(self.parent as i32);
                rustix::process::setpgid(None, Some(rustix::process::getpgid(parent)?))?;
                rustix::process::setsid()?;
                Ok(())
            }
            result => Ok(result.map(drop)?),
        }
    }
}
