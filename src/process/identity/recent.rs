//! Statuses of children that were reaped before anybody asked for them.

use std::collections::VecDeque;

use policy_core::local::fork_generation;
use policy_core::sync::{Mutex, MutexGuard};

use crate::process::sys::{self, Take, Target};

static RECENT: Mutex<Recent> = Mutex::new(Recent::new(0));

/// Oldest first.
struct Recent {
    reaped: VecDeque<Reaped>,
    /// A forked copy of this process has no children of ours.
    generation: u64,
}

struct Reaped {
    exit: sys::Exit,
    began: Option<u64>,
}

/// How many are kept.
const MOST: usize = 1024;

/// Reaps a zombie, and keeps its status.
///
/// Both under the lock: who asks for the child meanwhile waits for its status here.
pub(in crate::process) fn reap(pid: u32) {
    current().reap(pid);
}

/// Takes the exit of the process that had this number last, if it was reaped here.
pub(in crate::process) fn take(pid: u32) -> Option<sys::Exit> {
    current().take(pid)
}

/// The number was given to a child that was just started: what is kept is another's.
pub(in crate::process) fn forget(pid: u32) {
    current().forget(pid);
}

/// Forgets all: nobody keeps statuses any more.
pub(in crate::process) fn clear() {
    current().reaped.clear();
}

fn current() -> MutexGuard<'static, Recent> {
    let mut recent = RECENT.lock();
    if recent.generation != fork_generation() {
        *recent = Recent::new(fork_generation());
    }
    recent
}

impl Recent {
    const fn new(generation: u64) -> Self {
        Self { reaped: VecDeque::new(), generation }
    }

    /// Reaps a zombie, and keeps its status.
    fn reap(&mut self, pid: u32) {
        let began = sys::start_time(pid);
        if let Ok(Some(exit)) = sys::exit_now(Target::Pid(pid), Take::Reap) {
            log::debug!("reaped process {pid}, which nobody registered: {}", exit.status);
            self.forget(pid);
            if self.reaped.len() == MOST {
                self.reaped.pop_front();
            }
            self.reaped.push_back(Reaped { exit, began });
        }
    }

    /// Takes the exit of the process that had this number last.
    fn take(&mut self, pid: u32) -> Option<sys::Exit> {
        let at = self.reaped.iter().position(|reaped| reaped.exit.pid == pid)?;
        let reaped = self.reaped.remove(at)?;
        // The number may be of another by now, who has not exited or is not reaped.
        match sys::start_time(pid) {
            Some(began) if reaped.began != Some(began) => None,
            _ => Some(reaped.exit),
        }
    }

    /// The number is another's.
    fn forget(&mut self, pid: u32) {
        self.reaped.retain(|reaped| reaped.exit.pid != pid);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn reaped(pid: u32, began: Option<u64>, code: i32) -> Reaped {
        let status = std::process::ExitStatus::from_raw(code << 8);
        Reaped { exit: sys::Exit { pid, status, usage: None }, began }
    }

    #[test]
    fn a_status_is_not_handed_to_another_process_that_has_the_number_now() {
        let me = std::process::id();
        let mut recent = Recent::new(0);
        recent.reaped.push_back(reaped(me, Some(1), 7));
        recent.reaped.push_back(reaped(u32::MAX, Some(1), 8));
        if sys::start_time(me).is_some() {
            assert_eq!(recent.take(me), None);
        }
        assert_eq!(recent.take(u32::MAX).unwrap().status.code(), Some(8));
        assert_eq!(recent.take(u32::MAX), None, "handed over once");
    }

    #[test]
    fn a_number_that_was_given_to_a_new_child_means_no_former_one() {
        let mut recent = Recent::new(0);
        recent.reaped.push_back(reaped(u32::MAX, None, 8));
        recent.forget(u32::MAX);
        assert_eq!(recent.take(u32::MAX), None);
    }
}
