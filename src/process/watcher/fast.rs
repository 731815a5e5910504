//! Reaping every child of the process.

use std::sync::{Arc, Mutex};

use policy_core::Error;

use super::by_sigchld::{self, Membership, Strangers};
use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::process::identity::Record;
use crate::process::wakers::lock;

/// Reaps **every child of the process**, whichever code started it.
///
/// <div class="warning">
///
/// This affects the whole process: while such a watcher is open, `std::process::Child::wait`,
/// `tokio::process` and C libraries find their children gone (ECHILD). asyncio's watcher breaks
/// them too, and silently. [`MultiLoopChildWatcher`](super::MultiLoopChildWatcher) is as fast here
/// and breaks nothing. Use this one in programs that must reap the children that others leave
/// behind; see also [`SubreaperChildWatcher`](super::SubreaperChildWatcher).
///
/// </div>
///
/// It keeps the last 1,024 statuses that no caller has asked for yet, and returns them later: a
/// child that exits before it is registered is not lost.
///
/// ```
/// use policy::{FastChildWatcher, process::Command};
///
/// policy::set_child_watcher(FastChildWatcher::new())?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct FastChildWatcher {
    common: Common,
    membership: Mutex<Option<Membership>>,
}

impl FastChildWatcher {
    /// Makes a watcher, which starts to reap at once.
    ///
    /// ```
    /// policy::set_child_watcher(policy::FastChildWatcher::new())?;
    /// assert!(policy::run(async { policy::process::Command::new("true").status().await })?.success());
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            common: Common::default(),
            membership: Mutex::new(Some(Membership::new(Strangers::Reap))),
        }
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn release(&self) {
        drop(lock(&self.membership).take());
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        // Claimed first: a child that nobody claims is left alone.
        let watch = Watch::told(record.clone(), Some(self.common.gate.clone()));
        by_sigchld::attend(&record)?;
        Ok(watch)
    }
}

impl Default for FastChildWatcher {
    fn default() -> Self {
        Self::new()
    }
}

child_watcher!(FastChildWatcher);
