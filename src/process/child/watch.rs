//! Waiting for a child that other code started.

use std::process::ExitStatus;

use policy_core::{Error, ExitFuture};

use crate::ambient;
use crate::process::identity::{Claim, Outcome, Record};

/// Waits for a child that other code started: `std::process`, or a C library. Any number of tasks
/// may wait for the same child.
///
/// The child is identified when this is called, and reaped when the future has its status: do not
/// wait for it by other means as well. Dropping the future does not affect the child.
///
/// You may poll the future under any loop or none. It returns [`ErrorKind::NoSuchProcess`] or
/// [`ErrorKind::NotOurChild`] if the pid is not that of a child of this process,
/// [`ErrorKind::WatcherInactive`] or [`ErrorKind::WatcherClosed`] if the watcher can't wait, and
/// [`ErrorKind::StatusLost`] if other code took the status.
///
/// [`ErrorKind::NoSuchProcess`]: policy_core::ErrorKind::NoSuchProcess
/// [`ErrorKind::NotOurChild`]: policy_core::ErrorKind::NotOurChild
/// [`ErrorKind::WatcherInactive`]: policy_core::ErrorKind::WatcherInactive
/// [`ErrorKind::WatcherClosed`]: policy_core::ErrorKind::WatcherClosed
/// [`ErrorKind::StatusLost`]: policy_core::ErrorKind::StatusLost
///
/// ```
/// let child = std::process::Command::new("true").spawn().expect("it starts");
/// let status = policy::run(async { policy::process::watch(child.id()).await })?;
/// assert!(status.success());
/// # Ok::<(), policy::Error>(())
/// ```
pub fn watch(pid: u32) -> ExitFuture {
    let begun: Result<ExitFuture, Error> = Record::of_pid(pid).and_then(|record| {
        // Until the watcher's own future claims it.
        let claim = Claim::new(record);
        let watcher = crate::get_child_watcher()?;
        let exit = watcher.watch(&claim.record().id());
        // As in `Held::wait`: others may have reaped it just now.
        match (claim.record().outcome(), exit) {
            (Some(outcome), _) => Ok(ExitFuture::new(async move { outcome.into_result() })),
            (None, exit) => exit.map(|exit| ExitFuture::new(known_first(exit, claim))),
        }
    });
    match begun {
        Ok(exit) => ExitFuture::new(async {
            let _outside = ambient::outside();
            exit.await
        }),
        Err(error) => ExitFuture::new(async { Err(error) }),
    }
}

async fn known_first(exit: ExitFuture, claim: Claim) -> Result<ExitStatus, Error> {
    let status = exit.await;
    claim.record().outcome().map_or(status, Outcome::into_result)
}
