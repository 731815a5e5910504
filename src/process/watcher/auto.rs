//! The best mechanism available, chosen for each child.

use std::sync::Arc;

use policy_core::Error;

use super::common::{Common, child_watcher};
use super::exit::Watch;
use super::kqueue::Queue;
use super::threads::{DEFAULT_LIMIT, Threads};
use crate::process::identity::Record;

/// Waits by pidfd where the kernel gives one, else by kqueue (macOS, BSD), else on a
/// thread. The default.
///
/// It probes the kernel at run time, and again for each child: if no descriptor is left (EMFILE),
/// or a sandbox refuses the pidfd, a thread waits for that child.
///
/// ```
/// use policy::{AutoChildWatcher, ChildWatcher};
///
/// assert!(AutoChildWatcher::new().is_active());
/// ```
#[derive(Debug)]
pub struct AutoChildWatcher {
    common: Common,
    queue: Arc<Queue>,
    threads: Arc<Threads>,
}

impl AutoChildWatcher {
    /// Makes a watcher. It is ready at once, and needs no attached loop.
    ///
    /// ```
    /// policy::set_child_watcher(policy::AutoChildWatcher::new())?;
    /// assert!(policy::run(async { policy::process::Command::new("true").status().await })?.success());
    /// policy::set_child_watcher(None)?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            common: Common::default(),
            queue: Arc::default(),
            threads: Arc::new(Threads::new(DEFAULT_LIMIT)),
        }
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
        if !cfg!(policy_force_threaded_watcher) && self.queue.attend(&record).is_ok() {
            return Ok(watch);
        }
        self.threads.attend(&record)?;
        Ok(watch)
    }
}

child_watcher!(AutoChildWatcher);
