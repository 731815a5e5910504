//! Waiting on threads.

use std::sync::Arc;

use policy_core::Error;

use super::common::{Common, child_watcher};
use super::exit::Watch;
use super::threads::{DEFAULT_LIMIT, Threads};
use crate::process::identity::Record;

/// Waits for each child on its own thread, up to a limit; the children beyond it share one.
///
/// Works on every Unix and in every sandbox, whatever loops and signals do. asyncio has no limit:
/// there, 2,000 children are 2,000 threads. A thread is named after its child (`policy-w4711`) and
/// ends with it, even if the watcher is closed before.
///
/// ```
/// use policy::{ThreadedChildWatcher, process::Command};
///
/// policy::set_child_watcher(ThreadedChildWatcher::new().max_threads(16))?;
/// let status = policy::run(async { Command::new("true").status().await })?;
/// assert!(status.success());
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct ThreadedChildWatcher {
    common: Common,
    threads: Arc<Threads>,
}

impl ThreadedChildWatcher {
    /// Makes a watcher with at most 256 threads.
    ///
    /// ```
    /// policy::set_child_watcher(policy::ThreadedChildWatcher::new())?;
    /// assert!(policy::run(async { policy::process::Command::new("true").status().await })?.success());
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { common: Common::default(), threads: Arc::new(Threads::new(DEFAULT_LIMIT)) }
    }

    /// Sets the maximum number of threads; 0 means 1.
    ///
    /// ```
    /// let watcher = policy::ThreadedChildWatcher::new().max_threads(16);
    /// policy::set_child_watcher(watcher)?;
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn max_threads(self, limit: usize) -> Self {
        Self { threads: Arc::new(Threads::new(limit)), ..self }
    }

    /// Returns the number of threads that wait now.
    ///
    /// ```
    /// assert_eq!(policy::ThreadedChildWatcher::new().threads(), 0);
    /// ```
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    fn wait(&self, record: Arc<Record>) -> Result<Watch, Error> {
        self.common.told(record, |record| self.threads.attend(record))
    }
}

child_watcher!(ThreadedChildWatcher);
