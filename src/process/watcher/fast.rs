//! Reaping every child there is.

use std::sync::{Arc, Mutex};

use policy_core::Error;

use super::common::{Common, child_watcher};
use crate::process::exit::Watch;
use crate::process::hub::{self, Membership, Strangers};
use crate::process::identity::Record;
use crate::process::wakers::lock;

/// Reaps **every child of the process**, whoever started it.
///
/// <div class="warning">
///
/// Process-wide: while one is open, `std::process::Child::wait`, `tokio::process` and
/// C libraries find their children gone (ECHILD). asyncio's breaks them too, and
/// silently. [`MultiLoopChildWatcher`](super::MultiLoopChildWatcher) is as fast here
/// and breaks nobody. This is for programs that have to reap what others leave
/// behind; see also [`SubreaperChildWatcher`](super::SubreaperChildWatcher).
///
/// </div>
///
/// Statuses of children that nobody has asked for yet are kept (the last 1,024), and
/// handed over when somebody asks: a child that exits before it is registered is not
/// lost.
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
    /// Makes a watcher, which begins at once to reap.
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
        hub::attend(&record)?;
        Ok(watch)
    }
}

impl Default for FastChildWatcher {
    fn default() -> Self {
        Self::new()
    }
}

child_watcher!(FastChildWatcher);
