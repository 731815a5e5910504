//! A child of Windows: a process by its handle, and perhaps a job.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use policy_core::{Error, ErrorKind};

use super::Child;
use crate::ambient;
use crate::process::reach::TreeReach;
use crate::process::terms::Terms;
use crate::process::usage::Usage;
use crate::process::windows::exit::Record;

#[derive(Debug)]
pub(in crate::process) struct Held {
    record: Arc<Record>,
    /// Whether somebody has seen the status: what `returncode` tells.
    seen: AtomicBool,
    kill_on_drop: bool,
    kill_tree: bool,
}

impl Child {
    /// Terminals are for Unix.
    pub(super) fn has_terminal(&self) -> bool {
        false
    }

    pub(super) fn take_over_terminal(&mut self, input: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(input)
    }
}

/// Kills the child: it can't be asked to end.
pub(super) async fn terminate(child: &Child, _grace: Duration) -> Result<ExitStatus, Error> {
    match child.start_kill() {
        Err(error) if error.kind() != ErrorKind::ChildExited => Err(error),
        _ => child.wait().await,
    }
}

impl Held {
    pub(in crate::process) fn new(record: Arc<Record>, terms: &Terms) -> Self {
        let Terms { kill_on_drop, kill_tree, .. } = *terms;
        Self { record, seen: AtomicBool::new(false), kill_on_drop, kill_tree }
    }

    pub(super) fn pid(&self) -> u32 {
        self.record.pid()
    }

    pub(super) async fn wait(&self) -> Result<ExitStatus, Error> {
        let _outside = ambient::outside();
        let status = self.record.wait().await?;
        self.seen.store(true, Ordering::Relaxed);
        Ok(status)
    }

    pub(super) fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        let status = self.record.try_wait()?;
        if status.is_some() {
            self.seen.store(true, Ordering::Relaxed);
        }
        Ok(status)
    }

    pub(super) fn returncode(&self) -> Option<i32> {
        if !self.seen.load(Ordering::Relaxed) {
            return None;
        }
        self.record.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// Not known here: see [`Child::usage`].
    pub(super) fn usage(&self) -> Option<Usage> {
        None
    }

    pub(super) fn kill(&self) -> Result<(), Error> {
        self.record.kill()
    }

    pub(super) fn signal(&self, signal: i32) -> Result<(), Error> {
        match signal {
            0 if self.record.try_wait()?.is_none() => Ok(()),
            0 => Err(ErrorKind::ChildExited.into()),
            9 | 15 => self.kill(),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("Windows has no signal {signal}; end the child by `kill`"),
            )),
        }
    }

    pub(super) fn reach(&self) -> TreeReach {
        if self.kill_tree { TreeReach::Job } else { TreeReach::Child }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.kill_on_drop {
            let _exited = self.record.kill();
        }
    }
}
