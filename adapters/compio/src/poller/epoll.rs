//! epoll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::Ready;

/// How many are fetched at once; the rest is still there at the next look.
const AT_ONCE: usize = 256;

const READABLE: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI);
const WRITABLE: EventFlags = EventFlags::OUT;
/// Reported whatever is waited for, to both directions.
const ENDED: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

#[derive(Debug)]
pub(crate) struct Poller(OwnedFd);

/// Room for what is fetched.
pub(crate) struct Events(Vec<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(Vec::with_capacity(AT_ONCE))
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Registers a descriptor that its owner keeps open until it is deleted.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        let flags = READABLE | WRITABLE | EventFlags::ET;
        Ok(epoll::add(&self.0, fd, EventData::new_u64(key as u64), flags)?)
    }

    pub(crate) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Returns what is ready, without a wait.
    pub(crate) fn look<'a>(
        &self,
        events: &'a mut Events,
    ) -> io::Result<impl Iterator<Item = Ready> + 'a> {
        events.0.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.0, spare_capacity(&mut events.0), Some(&at_once))?;
        Ok(events.0.iter().map(|event| {
            let (flags, key) = (event.flags, event.data.u64());
            Ready {
                key: usize::try_from(key).unwrap_or(usize::MAX),
                readable: flags.intersects(READABLE | ENDED),
                writable: flags.intersects(WRITABLE | ENDED),
            }
        }))
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
