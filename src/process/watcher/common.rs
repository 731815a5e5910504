//! What all watchers of this crate have in common.

use std::sync::{Arc, Mutex, Weak};

use policy_core::{ChildCallback, Error, ErrorKind, EventLoop, ExitFuture};

use super::handlers::Handlers;
use crate::ambient;
use crate::process::exit::{Gate, Watch};
use crate::process::identity::{Claim, Record};
use crate::process::wakers::lock;

#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) gate: Arc<Gate>,
    handlers: Arc<Handlers>,
    /// Where callbacks are called that were added outside any loop.
    attached: Mutex<Option<Weak<dyn EventLoop>>>,
}

impl Common {
    /// See [`policy_core::ChildWatcher::add_child_handler`]; `watch` makes the wait.
    pub(super) fn add_child_handler(
        &self,
        pid: u32,
        callback: ChildCallback,
        watch: impl FnOnce(Arc<Record>) -> Result<Watch, Error>,
    ) -> Result<(), Error> {
        self.gate.check()?;
        let record = Record::of_pid(pid)?;
        // Until the wait itself claims the child.
        let claim = Claim::new(record);
        let watch = watch(claim.record().clone())?;
        let here = ambient::event_loop().ok().or_else(|| self.attached());
        self.handlers.add(claim.record(), callback, ExitFuture::from(watch), here)
    }

    /// See [`policy_core::ChildWatcher::remove_child_handler`].
    pub(super) fn remove_child_handler(&self, pid: u32) -> bool {
        self.handlers.remove(pid)
    }

    /// See [`policy_core::ChildWatcher::attach_loop`].
    pub(super) fn attach_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        // First looked at, then changed: asyncio leaves half of it done (B25).
        if event_loop.as_ref().is_some_and(|event_loop| event_loop.is_closed()) {
            return Err(ErrorKind::LoopClosed.into());
        }
        *lock(&self.attached) = event_loop.as_ref().map(Arc::downgrade);
        Ok(())
    }

    pub(super) fn attached(&self) -> Option<Arc<dyn EventLoop>> {
        lock(&self.attached).as_ref().and_then(Weak::upgrade)
    }
}
