//! kqueue and others, by the crate `polling`.
#![allow(unsafe_code, reason = "`polling` leaves the life of descriptors to its callers")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use polling::{Event, PollMode};

use super::Ready;

#[derive(Debug)]
pub(crate) struct Poller(polling::Poller);

/// Room for what is fetched.
#[derive(Default)]
pub(crate) struct Events(polling::Events);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = polling::Poller::new()?;
        if !poller.supports_edge() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self(poller))
    }

    /// Registers a descriptor that its owner keeps open until it is deleted.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        // SAFETY: `selector::Registered`, the only caller, holds the descriptor, and
        // deletes it here before it lets go.
        unsafe { self.0.add_with_mode(fd.as_raw_fd(), Event::all(key), PollMode::Edge) }
    }

    pub(crate) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.delete(fd)
    }

    /// Returns what is ready, without a wait.
    pub(crate) fn look<'a>(
        &self,
        events: &'a mut Events,
    ) -> io::Result<impl Iterator<Item = Ready> + 'a> {
        events.0.clear();
        self.0.wait(&mut events.0, Some(Duration::ZERO))?;
        Ok(events.0.iter().map(|event| Ready {
            key: event.key,
            readable: event.readable,
            writable: event.writable,
        }))
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
