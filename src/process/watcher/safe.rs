//! Waiting by SIGCHLD, with the main thread's loop.

use std::sync::Arc;

use policy_core::{Error, ErrorKind, local};

use super::by_sigchld::{self, Strangers};
use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::ambient;
use crate::process::identity::Record;

/// Waits for children by SIGCHLD, while a loop runs on the main thread: like asyncio's, for
/// programs that rely on that. Other programs should use
/// [`MultiLoopChildWatcher`](super::MultiLoopChildWatcher), which works the same way without this
/// condition.
///
/// The loop is the attached one (`policy::set_event_loop` attaches it on the main thread), or the
/// one that runs on the main thread when a child is started there. Without such a loop, starting a
/// child returns [`ErrorKind::WatcherInactive`], before anything is started; children that are
/// alive already still end with their right status.
///
/// ```
/// use policy::{ChildWatcher, ErrorKind, SafeChildWatcher, process::Command};
///
/// let watcher = SafeChildWatcher::new();
/// assert!(!watcher.is_active());
/// policy::set_child_watcher(watcher)?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct SafeChildWatcher {
    common: Common,
}

impl SafeChildWatcher {
    /// Makes a watcher and installs the handler of SIGCHLD, from any thread.
    ///
    /// ```
    /// use policy::ChildWatcher;
    ///
    /// assert!(!policy::SafeChildWatcher::new().is_active()); // no loop runs in the main thread
    /// ```
    pub fn new() -> Self {
        Self { common: Common::by_sigchld(Strangers::Leave) }
    }

    fn is_ready(&self) -> bool {
        if self.common.attached().is_some_and(|event_loop| event_loop.is_running()) {
            return true;
        }
        match ambient::running().filter(|_| local::is_main_thread()) {
            // For other threads, which can't see it.
            Some(main) => self.common.attach_loop(Some(main)).is_ok(),
            None => false,
        }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        // A child that lives already has a right to its status.
        if record.outcome().is_none() && !record.is_attended() && !self.is_ready() {
            return Err(Error::new(
                ErrorKind::WatcherInactive,
                "`SafeChildWatcher` needs a loop that runs in the main thread; run one there, or set another watcher with `policy::set_child_watcher`",
            ));
        }
        self.common.told(record, by_sigchld::attend)
    }
}

child_watcher!(SafeChildWatcher, is_ready);
