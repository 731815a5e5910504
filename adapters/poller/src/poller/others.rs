//! kqueue, AFD and others, by the crate `polling`.
#![allow(unsafe_code, reason = "`polling` leaves the life of descriptors to its callers")]

use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use policy_core::os::BorrowedIo;
use policy_core::sync::{Mutex, MutexGuard};
use polling::{Event, Events, PollMode};

use super::Ready;

#[derive(Debug)]
pub(crate) struct Poller {
    inner: polling::Poller,
    /// Edges; where the system has none (AFD), what is ready once is armed by who waits.
    mode: PollMode,
    /// Room for what is fetched, out while it is used.
    events: Mutex<Option<Events>>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let inner = polling::Poller::new()?;
        let mode = if inner.supports_edge() { PollMode::Edge } else { PollMode::Oneshot };
        Ok(Self { inner, mode, events: Mutex::default() })
    }

    /// Registers a descriptor that its owner keeps open until it is deleted.
    pub(crate) fn add(&self, io: BorrowedIo<'_>, key: usize) -> io::Result<()> {
        let event = match self.mode {
            PollMode::Edge => Event::all(key),
            _ => Event::none(key),
        };
        // SAFETY: `reactor::Registered`, the only caller, holds the descriptor, and
        // deletes it here before it lets go.
        unsafe { self.inner.add_with_mode(&io, event, self.mode) }
    }

    /// Waits for these directions, if a descriptor is reported only once.
    pub(crate) fn arm(&self, io: BorrowedIo<'_>, wanted: Ready) -> io::Result<()> {
        if self.mode == PollMode::Edge {
            return Ok(());
        }
        let event = Event::new(wanted.key, wanted.readable, wanted.writable);
        self.inner.modify_with_mode(io, event, self.mode)
    }

    pub(crate) fn delete(&self, io: BorrowedIo<'_>) -> io::Result<()> {
        self.inner.delete(io)
    }

    /// Ends a wait, the next if none is under way.
    pub(crate) fn notify(&self) -> io::Result<()> {
        self.inner.notify()
    }

    /// Tells what is ready; waits for that, at most for `timeout`.
    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        tell: impl FnMut(Ready),
    ) -> io::Result<()> {
        let mut events = self.room().take().unwrap_or_default();
        events.clear();
        let waited = self.inner.wait(&mut events, timeout);
        let ready = events.iter().map(|event| Ready {
            key: event.key,
            readable: event.readable,
            writable: event.writable,
        });
        ready.for_each(tell);
        *self.room() = Some(events);
        waited.map(drop)
    }

    fn room(&self) -> MutexGuard<'_, Option<Events>> {
        self.events.lock()
    }
}

#[cfg(unix)]
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
