//! Waiting for a child, and ending it, with all that is kept for it.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use policy_core::{ChildWatcher, Error, ErrorKind, ExitFuture};

use crate::ambient;
use crate::process::background;
use crate::process::delay::Delay;
use crate::process::exit::Watch;
use crate::process::identity::{Claim, Outcome};
use crate::process::output::Bounds;
use crate::process::sys::Whom;
use crate::process::tree::{self, Descendants, Survivor};
use crate::process::wakers::lock;

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
    /// Who gets the signals that end it.
    pub(super) whom: Whom,
    /// Boxed: most have none.
    pub(super) bounds: Option<Box<Bounds>>,
}

impl Held {
    pub(super) fn kill(&self) -> Result<(), Error> {
        let record = self.claim.record();
        if self.whom == Whom::One {
            return record.signal(libc::SIGKILL, Whom::One);
        }
        // The child first: one that is stopped starts nothing more.
        let is_there = || record.signal(0, Whom::One).is_ok();
        let descendants = record
            .signal(libc::SIGSTOP, Whom::One)
            .ok()
            .map(|()| Descendants::stop(record.pid(), is_there));
        let killed = record.signal(libc::SIGKILL, Whom::Group);
        if let Some(descendants) = descendants {
            descendants.kill();
        }
        killed
    }

    /// Returns what descends from the child and is meant by the signals that end it.
    pub(super) fn descendants(&self) -> Descendants {
        let record = self.claim.record();
        match self.whom {
            Whom::One => Descendants::none(),
            Whom::Group => Descendants::of(record.pid(), || record.signal(0, Whom::One).is_ok()),
        }
    }

    /// Waits until nothing of the tree is left but zombies, which somebody else reaps.
    pub(super) async fn tree_ended(&self, descendants: &Descendants) {
        if self.whom == Whom::One {
            return;
        }
        let record = self.claim.record();
        loop {
            let survivor = match descendants.survivor() {
                Survivor::None if record.has_group() => tree::survivor_in(record.pid()),
                survivor => survivor,
            };
            match survivor {
                Survivor::None => return,
                Survivor::One(pidfd) => tree::exited(pidfd).await,
                Survivor::Unknown => Delay::wait(PAUSE).await,
            }
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
        let begun = lock(&self.first).take();
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
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WatcherClosed | ErrorKind::WatcherInactive | ErrorKind::LoopClosed
                ) =>
            {
                Watch::ungated(record.clone())?.await
            }
            Ok(status) => {
                // Watchers of others don't know the record.
                record.settle(Outcome::Exited(status));
                Ok(status)
            }
            Err(error) => Err(error),
        }
    }
}

/// How often a group is asked for where it can't be seen who is in it.
const PAUSE: Duration = Duration::from_millis(10);

impl Drop for Held {
    fn drop(&mut self) {
        let record = self.claim.record();
        // A forked copy of the process has no say in its parent's children.
        if record.is_forked() {
            return;
        }
        if self.kill_on_drop && (record.outcome().is_none() || self.whom == Whom::Group) {
            let _exited = self.kill();
        }
        if self.reap_on_drop && record.outcome().is_none() {
            background::adopt(record);
        }
    }
}
