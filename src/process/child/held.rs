//! Waiting for a child, and ending it, with all that is kept for it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::sync::Mutex;
use policy_core::{ChildWatcher, Error, ErrorKind, ExitFuture};

use crate::ambient;
use crate::process::cgroup::OwnCgroup;
use crate::process::identity::{Claim, Outcome};
use crate::process::sys::Whom;
use crate::process::talk::output::Bounds;
use crate::process::tree::{Descendants, Tree};
use crate::process::watcher::abandoned;
use crate::process::watcher::exit::Watch;

/// What is left of a child when its pipes are taken out.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) claim: Claim,
    /// Latched: the one that was there when the child was started.
    pub(super) watcher: Arc<dyn ChildWatcher>,
    /// The wait that was begun with the child, for the first who waits.
    pub(super) first: Mutex<Option<ExitFuture>>,
    pub(super) kill_on_drop: bool,
    pub(super) reap_on_drop: bool,
    /// What ends with it.
    pub(super) tree: Option<Box<Tree>>,
    /// The group that was made for it, if it has no tree.
    pub(super) _cgroup: Option<Box<OwnCgroup>>,
    /// Boxed: most have none.
    pub(super) bounds: Option<Box<Bounds>>,
}

impl Held {
    pub(super) fn kill(&self) -> Result<(), Error> {
        let record = self.claim.record();
        let Some(tree) = self.tree.as_ref().filter(|_| !record.is_forked()) else {
            return record.signal(libc::SIGKILL, Whom::One);
        };
        let found = tree.kill(record);
        match record.signal(libc::SIGKILL, Whom::Group) {
            // It came in time for the rest.
            Err(error) if found && error.kind() == ErrorKind::ChildExited => Ok(()),
            killed => killed,
        }
    }

    /// Sends a signal to the child, or to all of its tree, and lets go on what is stopped.
    /// Returns what was found of the tree.
    pub(super) fn ask(&self, signal: i32) -> Result<Descendants, Error> {
        let record = self.claim.record();
        let tree = self.tree.as_ref().filter(|_| !record.is_forked());
        // Found before the child may end, and with it the way to them.
        let members = tree.map_or_else(Descendants::none, |tree| tree.members(record));
        let whom = if tree.is_some() { Whom::Group } else { Whom::One };
        match record.signal(signal, whom) {
            Err(error) if error.kind() != ErrorKind::ChildExited => return Err(error),
            _ => {}
        }
        members.signal_outside(signal);
        // What is stopped would take no notice of it, and its grace would pass.
        let _gone = record.signal(libc::SIGCONT, whom);
        members.signal_outside(libc::SIGCONT);
        Ok(members)
    }

    /// Waits until the tree has ended, if there is one.
    pub(super) async fn tree_ended(&self, members: &Descendants) {
        if let Some(tree) = &self.tree {
            tree.ended(self.claim.record(), members).await;
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds.as_deref().copied().unwrap_or_default()
    }

    /// Returns how long the child may still run, if it has a time.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let deadline = self.bounds().deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) async fn wait(&self) -> Result<ExitStatus, Error> {
        let record = self.claim.record();
        if let Some(outcome) = record.outcome() {
            return outcome.into_result();
        }
        let _outside = ambient::outside();
        let begun = self.first.lock().take();
        let exit = match begun {
            Some(exit) => Ok(exit),
            None => self.watcher.watch(&record.id()),
        };
        let status = match exit {
            Ok(exit) => exit.await,
            Err(error) => Err(error),
        };
        // Reaped between the two questions, the child is unknown to the watcher, which
        // finds nothing under its number. What is known here comes first.
        if let Some(outcome) = record.outcome() {
            return outcome.into_result();
        }
        match status {
            // A watcher that is gone (the policy or its watcher was replaced) does
            // not end the wait for a child that is not.
            Err(error) if is_gone(&error) => Watch::ungated(record.clone())?.await,
            Ok(status) => {
                // Watchers of others don't know the record.
                record.settle(Outcome::Exited(status));
                Ok(status)
            }
            Err(error) => Err(error),
        }
    }
}

/// Says whether a watcher gives this that is not there any more.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WatcherClosed | ErrorKind::WatcherInactive | ErrorKind::LoopClosed
    )
}

impl Drop for Held {
    fn drop(&mut self) {
        let record = self.claim.record();
        // A forked copy of the process has no say in its parent's children.
        if record.is_forked() {
            return;
        }
        if self.kill_on_drop && (record.outcome().is_none() || self.tree.is_some()) {
            let _exited = self.kill();
        }
        if self.reap_on_drop && record.outcome().is_none() {
            abandoned::adopt(record);
        }
    }
}
