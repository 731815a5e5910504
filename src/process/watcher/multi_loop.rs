//! Waiting by SIGCHLD, for any number of loops.

use std::sync::Arc;

use policy_core::Error;

use super::by_sigchld::{self, Strangers};
use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::process::identity::Record;

/// Waits for children by SIGCHLD, for any number of loops and threads.
///
/// One thread (`policy-sigchld`) serves all children. asyncio asks every child on every signal;
/// here the kernel lists those that have exited by their pidfds, in O(1) per exit. For children
/// without one (other systems, and more of them than half of the descriptor limit) the thread
/// looks for an exited child. The kernel goes through all children for that, up to 2 ms for
/// 8,000, and the thread asks each of its own if a zombie that other code left is first in the
/// kernel's list. Either way it reaps its own and leaves others alone.
///
/// The first watcher installs a SIGCHLD handler, which also calls the previous one; closing or
/// dropping the last restores that. If the signal is blocked or the handler was replaced, exits are
/// noticed up to a quarter of a second late, and a warning is logged once. With more children than
/// half of the descriptor limit, the watcher closes the pidfds that identify them; if other code
/// then takes a status, it is lost.
///
/// ```
/// use policy::{MultiLoopChildWatcher, process::Command};
///
/// policy::set_child_watcher(MultiLoopChildWatcher::new())?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiLoopChildWatcher {
    common: Common,
}

impl MultiLoopChildWatcher {
    /// Makes a watcher and installs the handler, from any thread.
    ///
    /// ```
    /// policy::set_child_watcher(policy::MultiLoopChildWatcher::new())?;
    /// assert!(policy::run(async { policy::process::Command::new("true").status().await })?.success());
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { common: Common::by_sigchld(Strangers::Leave) }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        self.common.told(record, by_sigchld::attend)
    }
}

child_watcher!(MultiLoopChildWatcher);
