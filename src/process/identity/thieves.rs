//! Code in this process that reaps children which are not its own: `waitpid(-1)`.
//!
//! A status that was taken can be had back by the pidfd, if that was open before. On Linux
//! children have one from birth. One that std starts has not; so once a theft was seen,
//! such children open their own before they can exit.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use policy_core::sync::Mutex;

use super::Record;
use crate::process::sys;

/// Somebody in this process reaps children that are not his.
static THEFT: AtomicBool = AtomicBool::new(false);

/// Takes note of a theft.
pub(in crate::process) fn note() {
    THEFT.store(true, Ordering::Relaxed);
}

/// Returns true if children must have their pidfds before anybody can reap them.
pub(in crate::process) fn needs_race_free() -> bool {
    // Where SIGCHLD is ignored the kernel is the thief.
    THEFT.load(Ordering::Relaxed) || sys::kernel_reaps()
}

/// Takes note of a pidfd that could not be opened for a child that was just started.
pub(in crate::process) fn note_if_gone(error: &io::Error) {
    if error.raw_os_error() == Some(libc::ESRCH) {
        note();
    }
}

/// Looks whether children that std started lately have been stolen, so that the next
/// are safe from that. Most that are stolen have a pidfd by then and lose nothing.
pub(in crate::process) fn watch_for_thieves() {
    if THEFT.load(Ordering::Relaxed) {
        return;
    }
    let lately: Vec<_> = LATELY.lock().iter().filter_map(Weak::upgrade).collect();
    if lately.iter().any(|record| record.is_stolen()) {
        note();
    }
}

/// Remembers a child for [`watch_for_thieves`].
pub(in crate::process) fn started_lately(record: &Arc<Record>) {
    let mut lately = LATELY.lock();
    if lately.len() == A_FEW {
        lately.pop_front();
    }
    lately.push_back(Arc::downgrade(record));
}

static LATELY: Mutex<VecDeque<Weak<Record>>> = Mutex::new(VecDeque::new());

/// Enough for one of them to have had the time to exit.
const A_FEW: usize = 4;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::zombie_processes, reason = "a test that fails panics")]
mod tests {
    use super::*;
    use crate::process::identity::pidfd::open_pidfd;

    #[test]
    fn once_a_child_was_stolen_the_next_are_to_be_safe() {
        let started = std::process::Command::new("true").spawn().unwrap();
        let Ok(pidfd) = open_pidfd(started.id()) else {
            return println!("skipped: no pidfds here");
        };
        let record = Record::new(started.id(), Some(Arc::new(pidfd)));
        started_lately(&record);
        watch_for_thieves();
        let before = needs_race_free();
        // Behind the record's back.
        { started }.wait().unwrap();
        watch_for_thieves();
        assert!(!before, "nothing was stolen, and SIGCHLD is not ignored");
        assert!(needs_race_free());
    }
}
