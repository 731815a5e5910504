//! Reaping every child of the process.

use std::sync::Arc;

use policy_core::Error;

use super::by_sigchld::{self, Strangers};
use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::process::identity::Record;

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
        Self { common: Common::by_sigchld(Strangers::Reap) }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        self.common.told(record, by_sigchld::attend)
    }
}

child_watcher!(FastChildWatcher);
