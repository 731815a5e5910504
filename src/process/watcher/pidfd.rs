//! Waiting with pidfds, on the running loop.

use std::sync::Arc;

use policy_core::{Error, ErrorKind};

use super::common::{Common, child_watcher};
use super::exit::Watch;
use crate::process::identity::Record;
use crate::process::identity::pidfd;

/// Waits for children by their pidfds, on the loop that polls the wait.
///
/// No signals and no threads, O(1) per exit, one descriptor per child. Needs Linux 5.4 or later;
/// elsewhere, and where a sandbox refuses pidfds, the watcher is not active. You may start a child
/// under one loop and await it under another. If no loop polls the wait, or a loop's reactor
/// refuses the descriptor, a background thread waits.
///
/// ```
/// use policy::{ChildWatcher, PidfdChildWatcher, process::Command};
///
/// let watcher = PidfdChildWatcher::new();
/// if watcher.is_active() {
///     policy::set_child_watcher(watcher)?;
///     let status = policy::run(async { Command::new("true").status().await })?;
///     assert!(status.success());
/// }
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct PidfdChildWatcher {
    common: Common,
}

impl PidfdChildWatcher {
    /// Makes a watcher. It is ready at once, and needs no attached loop.
    ///
    /// ```
    /// policy::set_child_watcher(policy::PidfdChildWatcher::new())?;
    /// assert!(policy::run(async { policy::process::Command::new("true").status().await })?.success());
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { common: Common::default() }
    }

    fn is_ready(&self) -> bool {
        pidfd::pidfds_work()
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        if !self.is_ready() {
            return Err(ErrorKind::WatcherInactive.into());
        }
        record.ensure_pidfd().map_err(|error| {
            Error::io(
                "can't open a pidfd; raise the limit of open files, or use `AutoChildWatcher`",
                error,
            )
        })?;
        Watch::by_pidfd(record, Some(self.common.gate.clone()))
    }
}

child_watcher!(PidfdChildWatcher, is_ready);
