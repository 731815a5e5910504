//! Waiting by pidfd, on the running loop.

use std::sync::Arc;

use policy_core::{
    ChildCallback, ChildId, ChildWatcher, Error, ErrorKind, EventLoop, ExitFuture,
};

use super::common::Common;
use crate::process::exit::Watch;
use crate::process::identity::{self, Record};

/// Waits for children by their pidfds, on the loop that polls the wait.
///
/// No signals and no threads, O(1) per exit, one descriptor per child. Linux 5.4
/// and later; elsewhere, and where a sandbox refuses pidfds, the watcher is not
/// active. A child may be started under one loop and awaited under another. Where no
/// loop polls, and where a loop's reactor refuses the descriptor, a background
/// thread waits.
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
#[derive(Debug, Default)]
pub struct PidfdChildWatcher {
    common: Common,
}

impl PidfdChildWatcher {
    /// Makes a watcher. It is ready at once: no loop need be attached.
    pub fn new() -> Self {
        Self::default()
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        if !self.is_active() {
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

impl ChildWatcher for PidfdChildWatcher {
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error> {
        self.common.gate.check()?;
        self.wait(Record::of(child)).map(ExitFuture::from)
    }

    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error> {
        self.common.add_child_handler(pid, callback, |record| self.wait(record))
    }

    fn remove_child_handler(&self, pid: u32) -> bool {
        self.common.remove_child_handler(pid)
    }

    fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        self.common.attach_loop(event_loop)
    }

    fn is_active(&self) -> bool {
        !self.common.gate.is_closed() && identity::pidfds_work()
    }

    fn close(&self) {
        self.common.gate.close();
    }
}
