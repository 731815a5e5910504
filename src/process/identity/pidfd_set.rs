//! Many pidfds in an epoll instance: the kernel lists those whose processes have exited, in the
//! order in which they did, and asks none of the others.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

#[derive(Debug)]
pub(in crate::process) struct PidfdSet {
    epoll: Arc<OwnedFd>,
}

impl PidfdSet {
    /// How many exits are asked for at once.
    pub(in crate::process) const BATCH: usize = 64;

    /// # Errors
    /// If there are no descriptors left.
    pub(in crate::process) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Arc::new(epoll::create(CreateFlags::CLOEXEC)?) })
    }

    /// Returns a descriptor that is readable while there is something to [tell](Self::exited).
    pub(in crate::process) fn fd(&self) -> &Arc<OwnedFd> {
        &self.epoll
    }

    /// Adds a pidfd under a name, which is told once. It goes by itself when it is closed.
    ///
    /// # Errors
    /// At the limits of epoll, and if it is there already.
    pub(in crate::process) fn add(&self, pidfd: impl AsFd, name: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        Ok(epoll::add(&self.epoll, pidfd, EventData::new_u64(name), flags)?)
    }

    /// Removes a pidfd that others may keep open.
    pub(in crate::process) fn remove(&self, pidfd: impl AsFd) {
        let _gone = epoll::delete(&self.epoll, pidfd);
    }

    /// Adds the names of some that have exited; returns how many. Fewer than [`BATCH`](Self::BATCH): that
    /// is all.
    ///
    /// # Errors
    /// What the system gives.
    pub(in crate::process) fn exited(&self, names: &mut impl Extend<u64>) -> io::Result<usize> {
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let (mut events, now) = ([nothing; Self::BATCH], Timespec { tv_sec: 0, tv_nsec: 0 });
        let count = epoll::wait(&self.epoll, &mut events[..], Some(&now))?;
        names.extend(events.iter().take(count).map(|event| event.data.u64()));
        Ok(count)
    }
}
