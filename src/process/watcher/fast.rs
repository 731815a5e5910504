//! Reaping every child there is.

use std::sync::{Arc, Mutex};

use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, EventLoop, ExitFuture};

use super::common::Common;
use crate::process::exit::Watch;
use crate::process::hub::{self, Membership, Strangers};
use crate::process::identity::{Outcome, Record};
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

impl ChildWatcher for FastChildWatcher {
    fn watch(&self, child: &ChildId) -> Result<ExitFuture, Error> {
        self.common.gate.check()?;
        self.wait(Record::of(child)).map(ExitFuture::from)
    }

    fn add_child_handler(&self, pid: u32, callback: ChildCallback) -> Result<(), Error> {
        self.common.gate.check()?;
        // One that was reaped before it was registered is no process any more.
        match hub::take_recent(pid) {
            Some(status) => {
                let record = Record::new(pid, None);
                record.settle(Outcome::Exited(status));
                self.common.add_handler_of(record, callback, |record| self.wait(record))
            }
            None => self.common.add_child_handler(pid, callback, |record| self.wait(record)),
        }
    }

    fn remove_child_handler(&self, pid: u32) -> bool {
        self.common.remove_child_handler(pid)
    }

    fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        self.common.attach_loop(event_loop)
    }

    fn is_active(&self) -> bool {
        !self.common.gate.is_closed()
    }

    fn close(&self) {
        if self.common.gate.close() {
            drop(lock(&self.membership).take());
        }
    }
}
