//! What all watchers of this crate have in common.

use std::sync::{Arc, Weak};

use policy_core::sync::Mutex;
use policy_core::{ChildCallback, Error, ErrorKind, EventLoop, ExitFuture};

use super::by_sigchld::{Membership, Strangers};
use super::exit::{Gate, Watch};
use super::handlers::Handlers;
use crate::ambient;
use crate::process::identity::{Claim, Record};

/// Implements [`policy_core::ChildWatcher`], and `Default`, for a type with a field `common` and
/// the methods `new()`, `wait(record)` and, if it is not always ready, one that says so.
macro_rules! child_watcher {
    ($name:ident $(, $is_ready:ident)?) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl policy_core::ChildWatcher for $name {
            fn watch(
                &self,
                child: &policy_core::ChildId,
            ) -> Result<policy_core::ExitFuture, policy_core::Error> {
                self.common.gate.check()?;
                self.wait(crate::process::identity::Record::of(child))
                    .map(policy_core::ExitFuture::from)
            }

            fn add_child_handler(
                &self,
                pid: u32,
                callback: policy_core::ChildCallback,
            ) -> Result<(), policy_core::Error> {
                self.common.add_child_handler(pid, callback, |record| self.wait(record))
            }

            fn remove_child_handler(&self, pid: u32) -> bool {
                self.common.remove_child_handler(pid)
            }

            fn attach_loop(
                &self,
                event_loop: Option<std::sync::Arc<dyn policy_core::EventLoop>>,
            ) -> Result<(), policy_core::Error> {
                self.common.attach_loop(event_loop)
            }

            fn is_active(&self) -> bool {
                !self.common.gate.is_closed() $(&& self.$is_ready())?
            }

            fn close(&self) {
                self.common.close();
            }
        }
    };
}

pub(super) use child_watcher;

#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) gate: Arc<Gate>,
    handlers: Arc<Handlers>,
    /// Where callbacks are called that were added outside any loop.
    attached: Mutex<Option<Weak<dyn EventLoop>>>,
    /// Of those that wait by SIGCHLD.
    membership: Mutex<Option<Membership>>,
}

impl Common {
    /// For a watcher that waits by SIGCHLD.
    pub(super) fn by_sigchld(strangers: Strangers) -> Self {
        Self { membership: Mutex::new(Some(Membership::new(strangers))), ..Self::default() }
    }

    /// See [`policy_core::ChildWatcher::close`].
    pub(super) fn close(&self) {
        if self.gate.close() {
            drop(self.membership.lock().take());
        }
    }

    /// Waits for what `attend` has somebody else reap, who tells.
    pub(super) fn told(
        &self,
        record: Arc<Record>,
        attend: impl FnOnce(&Arc<Record>) -> Result<(), Error>,
    ) -> Result<Watch, Error> {
        // Claimed first: a child that nobody claims is left alone.
        let watch = Watch::told(record.clone(), Some(self.gate.clone()));
        attend(&record)?;
        Ok(watch)
    }

    /// See [`policy_core::ChildWatcher::add_child_handler`]; `watch` makes the wait.
    pub(super) fn add_child_handler(
        &self,
        pid: u32,
        callback: ChildCallback,
        watch: impl FnOnce(Arc<Record>) -> Result<Watch, Error>,
    ) -> Result<(), Error> {
        self.gate.check()?;
        self.add_handler_of(Record::of_pid(pid)?, callback, watch)
    }

    /// As [`add_child_handler`](Self::add_child_handler), for a child that is known.
    pub(super) fn add_handler_of(
        &self,
        record: Arc<Record>,
        callback: ChildCallback,
        watch: impl FnOnce(Arc<Record>) -> Result<Watch, Error>,
    ) -> Result<(), Error> {
        // Until the wait itself claims the child.
        let claim = Claim::new(record);
        let watch = watch(claim.record().clone())?;
        // A loop that nobody runs would not call.
        let stands_still = ambient::running().is_some() && ambient::driven().is_none();
        let here = (!stands_still).then(ambient::event_loop).and_then(Result::ok);
        let here = here.or_else(|| self.attached());
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
        *self.attached.lock() = event_loop.as_ref().map(Arc::downgrade);
        Ok(())
    }

    pub(super) fn attached(&self) -> Option<Arc<dyn EventLoop>> {
        self.attached.lock().as_ref().and_then(Weak::upgrade)
    }
}
