//! Callbacks for exits: one per child and watcher.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use policy_core::sync::{Mutex, isolated};
use policy_core::task::{self, AbortHandle};
use policy_core::{ChildCallback, Error, EventLoop, ExitFuture};

use crate::process::background;
use crate::process::identity::{Record, returncode};

/// The callbacks of one watcher.
#[derive(Default)]
pub(super) struct Handlers {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_token: u64,
    entries: HashMap<u32, Entry>,
}

struct Entry {
    /// Which delivery this entry belongs to.
    token: u64,
    record: Weak<Record>,
    callback: ChildCallback,
    delivery: Option<AbortHandle>,
}

impl Handlers {
    /// Calls `callback` when the child has exited, on `here` or else in the
    /// background. Replaces the former callback.
    pub(super) fn add(
        self: &Arc<Self>,
        record: &Arc<Record>,
        callback: ChildCallback,
        exit: ExitFuture,
        here: Option<Arc<dyn EventLoop>>,
    ) -> Result<(), Error> {
        let pid = record.pid();
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.get_mut(&pid) {
            if std::ptr::eq(entry.record.as_ptr(), Arc::as_ptr(record)) {
                let former = std::mem::replace(&mut entry.callback, callback);
                drop(table);
                drop(former);
                return Ok(());
            }
        }
        table.last_token += 1;
        let token = table.last_token;
        let record = Arc::downgrade(record);
        let former = table.entries.insert(pid, Entry { token, record, callback, delivery: None });
        drop(table);
        drop(former);
        let delivery = Delivery { exit: Some(exit), handlers: self.clone(), pid, token };
        match delivery.start(here) {
            Ok(abort) => {
                let mut table = self.table.lock();
                if let Some(entry) = table.entries.get_mut(&pid) {
                    if entry.token == token {
                        entry.delivery = Some(abort);
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.take(pid, token);
                Err(error)
            }
        }
    }

    /// Forgets a callback. Returns false if there was none.
    pub(super) fn remove(&self, pid: u32) -> bool {
        let removed = self.table.lock().entries.remove(&pid);
        let Some(removed) = removed else { return false };
        if let Some(delivery) = &removed.delivery {
            delivery.abort();
        }
        true
    }

    fn is_owed(&self, pid: u32, token: u64) -> bool {
        self.table.lock().entries.get(&pid).is_some_and(|entry| entry.token == token)
    }

    fn take(&self, pid: u32, token: u64) -> Option<ChildCallback> {
        let mut table = self.table.lock();
        if table.entries.get(&pid)?.token != token {
            return None;
        }
        table.entries.remove(&pid).map(|entry| entry.callback)
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.lock();
        f.debug_set().entries(table.entries.keys()).finish()
    }
}

/// Waits for a child and calls its callback.
struct Delivery {
    exit: Option<ExitFuture>,
    handlers: Arc<Handlers>,
    pid: u32,
    token: u64,
}

impl Delivery {
    fn start(self, here: Option<Arc<dyn EventLoop>>) -> Result<AbortHandle, Error> {
        if let Some(event_loop) = here {
            // On a loop that refuses, the delivery is dropped, and so goes on in the
            // background by itself.
            return Ok(event_loop.spawn(self).abort_handle());
        }
        self.start_in_background()
    }

    fn start_in_background(self) -> Result<AbortHandle, Error> {
        let (task, handle) = task::new(self);
        let abort = handle.abort_handle();
        background::spawn(task)?;
        Ok(abort)
    }
}

impl Future for Delivery {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(exit) = &mut this.exit else { return Poll::Ready(()) };
        let Poll::Ready(status) = Pin::new(exit).poll(cx) else { return Poll::Pending };
        this.exit = None;
        if let Some(callback) = this.handlers.take(this.pid, this.token) {
            let pid = this.pid;
            isolated("a callback", || callback(pid, status.map(returncode)));
        }
        Poll::Ready(())
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(exit) = self.exit.take() else { return };
        if !self.handlers.is_owed(self.pid, self.token) {
            return;
        }
        // The loop is closed, and the callback is still owed.
        let handlers = self.handlers.clone();
        let next = Self { exit: Some(exit), handlers, pid: self.pid, token: self.token };
        if let Err(error) = next.start_in_background() {
            log::warn!("process {} can't be waited for any more: {error}", self.pid);
        }
    }
}
