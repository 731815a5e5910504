//! The best way that there is, for each child anew.

use std::sync::Arc;

use policy_core::{ChildCallback, ChildId, ChildWatcher, Error, EventLoop, ExitFuture};

use super::common::Common;
use crate::process::exit::Watch;
use crate::process::identity::Record;
use crate::process::threads::{DEFAULT_LIMIT, Threads};

/// Waits by pidfd where the kernel gives one, else on a thread. The default.
///
/// Probed at run time, and asked again for each child: one for which there is no
/// descriptor left (EMFILE), or whose pidfd a sandbox refuses, is waited for on a
/// thread.
///
/// ```
/// use policy::{AutoChildWatcher, ChildWatcher};
///
/// assert!(AutoChildWatcher::new().is_active());
/// ```
#[derive(Debug)]
pub struct AutoChildWatcher {
    common: Common,
    threads: Arc<Threads>,
}

impl AutoChildWatcher {
    /// Makes a watcher. It is ready at once: no loop need be attached.
    pub fn new() -> Self {
        Self { common: Common::default(), threads: Arc::new(Threads::new(DEFAULT_LIMIT)) }
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        let gate = Some(self.common.gate.clone());
        if !cfg!(policy_force_threaded_watcher) && record.ensure_pidfd().is_ok() {
            if let Ok(watch) = Watch::by_pidfd(record.clone(), gate.clone()) {
                return Ok(watch);
            }
        }
        // Claimed first: a thread leaves a child alone that nobody claims.
        let watch = Watch::told(record.clone(), gate);
        self.threads.attend(&record)?;
        Ok(watch)
    }
}

impl Default for AutoChildWatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl ChildWatcher for AutoChildWatcher {
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
        !self.common.gate.is_closed()
    }

    fn close(&self) {
        self.common.gate.close();
    }
}
