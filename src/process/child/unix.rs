//! A child of Unix: waiting for it, and ending it, with all that is kept for it.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use policy_core::sync::Mutex;
use policy_core::{ChildWatcher, Error, ErrorKind, ExitFuture};

use super::Child;
use crate::ambient;
use crate::process::background::delay::within;
use crate::process::cgroup::OwnCgroup;
use crate::process::identity::{Claim, Outcome, Record, returncode};
use crate::process::reach::TreeReach;
use crate::process::start::Setup;
use crate::process::sys::Whom;
use crate::process::talk::pty;
use crate::process::tree::{Descendants, Tree};
use crate::process::usage::Usage;
use crate::process::watcher::abandoned;
use crate::process::watcher::exit::Watch;

/// What is left of a child when its pipes are taken out.
#[derive(Debug)]
pub(in crate::process) struct Held {
    claim: Claim,
    /// Latched: the one that was there when the child was started.
    watcher: Arc<dyn ChildWatcher>,
    /// The wait that was begun with the child, for the first who waits.
    first: Mutex<Option<ExitFuture>>,
    kill_on_drop: bool,
    reap_on_drop: bool,
    /// What ends with it.
    tree: Option<Box<Tree>>,
    /// The group that was made for it, if it has no tree.
    _cgroup: Option<Box<OwnCgroup>>,
}

impl Child {
    pub(super) fn has_terminal(&self) -> bool {
        self.pty.is_some()
    }

    /// Lets whoever talks to the child do it by its terminal, if it has one. Returns the input as
    /// it is typed there.
    pub(super) fn take_over_terminal(&mut self, input: Vec<u8>) -> Result<Vec<u8>, Error> {
        let Some(pty) = self.pty.take() else { return Ok(input) };
        let (typed, shown) = pty.ends().map_err(|error| {
            Error::io("can't copy a descriptor; raise the limit (`ulimit -n`)", error)
        })?;
        self.talk.get_or_insert_default().take_over(Some(typed), Some(shown), None);
        Ok(pty::typed(input))
    }

    /// Begins another wait, by the watcher that the child has.
    pub(in crate::process) fn watch(&self) -> Result<ExitFuture, Error> {
        match self.held.watcher.watch(&self.record().id()) {
            Err(error) if is_gone(&error) => Ok(Watch::ungated(self.record().clone())?.into()),
            watched => watched,
        }
    }

    pub(in crate::process) fn record(&self) -> &Arc<Record> {
        self.held.claim.record()
    }
}

/// Asks the child to end, and kills it after `grace`.
pub(super) async fn terminate(child: &Child, grace: Duration) -> Result<ExitStatus, Error> {
    let members = child.held.ask(libc::SIGTERM)?;
    let ended = async {
        let exit = child.wait().await;
        child.held.tree_ended(&members).await;
        exit
    };
    if let Some(exit) = within(grace, ended).await {
        return exit;
    }
    // It may have exited just now; then nothing is left to do.
    let _exited = child.start_kill();
    members.kill();
    child.wait().await
}

impl Held {
    pub(in crate::process) fn new(
        claim: Claim,
        watcher: Arc<dyn ChildWatcher>,
        exit: ExitFuture,
        tree: Option<Box<Tree>>,
        cgroup: Option<Box<OwnCgroup>>,
        setup: &Setup,
    ) -> Self {
        Self {
            claim,
            watcher,
            first: Mutex::new(Some(exit)),
            kill_on_drop: setup.terms.kill_on_drop,
            reap_on_drop: setup.reap_on_drop,
            tree,
            _cgroup: cgroup,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.claim.record().pid()
    }

    pub(super) fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        self.claim.record().try_reap().map(Outcome::into_result).transpose()
    }

    pub(super) fn returncode(&self) -> Option<i32> {
        match self.claim.record().outcome() {
            Some(Outcome::Exited(status)) => Some(returncode(status)),
            _ => None,
        }
    }

    pub(super) fn usage(&self) -> Option<Usage> {
        self.claim.record().usage()
    }

    pub(super) fn signal(&self, signal: i32) -> Result<(), Error> {
        self.claim.record().signal(signal, Whom::One)
    }

    pub(super) fn reach(&self) -> TreeReach {
        self.tree.as_ref().map_or(TreeReach::Child, |tree| tree.reach())
    }

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
    fn ask(&self, signal: i32) -> Result<Descendants, Error> {
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
    async fn tree_ended(&self, members: &Descendants) {
        if let Some(tree) = &self.tree {
            tree.ended(self.claim.record(), members).await;
        }
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
fn is_gone(error: &Error) -> bool {
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
