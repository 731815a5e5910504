//! Reaping orphans, for a process that adopts them.

use std::sync::Arc;
use std::time::Duration;

use policy_core::Error;

use super::by_sigchld::{self, Strangers};
use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::process::identity::Record;

/// Reaps orphans that this process adopts, like an init process: for PID 1 of a container, and for
/// supervisors that want to see their descendants end.
///
/// Making one makes this process a subreaper (`PR_SET_CHILD_SUBREAPER`): descendants whose parents
/// exit become its children. It reaps unregistered children once they have been zombies for a
/// while, so that other code of this process has time to wait for its own. It never touches a child
/// that is registered with any watcher of this crate. Closing, replacing or dropping the last such
/// watcher ends all of that, except for the orphans that had arrived by then: they are still
/// reaped, so that none remains a zombie.
///
/// It waits for registered children like [`MultiLoopChildWatcher`](super::MultiLoopChildWatcher).
///
/// ```
/// use policy::{SubreaperChildWatcher, process::Command};
///
/// policy::set_child_watcher(SubreaperChildWatcher::new())?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct SubreaperChildWatcher {
    common: Common,
}

/// Long enough for code that waits right after it has started a child, short enough
/// that orphans don't pile up.
const GRACE: Duration = Duration::from_millis(500);

impl SubreaperChildWatcher {
    /// Makes a watcher that leaves unregistered zombies alone for half a second.
    pub fn new() -> Self {
        Self::with_grace(GRACE)
    }

    /// Makes a watcher that leaves an unregistered zombie alone for `grace` before it reaps it.
    pub fn with_grace(grace: Duration) -> Self {
        Self { common: Common::by_sigchld(Strangers::ReapAfter(grace)) }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        self.common.told(record, by_sigchld::attend)
    }
}

child_watcher!(SubreaperChildWatcher);
