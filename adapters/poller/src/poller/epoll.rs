//! epoll.
//!
//! Not through the crate `polling`, which has a descriptor more for timers, and sets it
//! and arms it again by two system calls around each wait.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::Ready;

/// How many are fetched at once; the rest is still there at the next look.
const AT_ONCE: usize = 256;

const READABLE: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI);
const WRITABLE: EventFlags = EventFlags::OUT;
/// Reported whatever is waited for, to both directions.
const ENDED: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

/// The key of the descriptor that ends a wait.
const BELL: u64 = u64::MAX;

const AT_ONCE_BACK: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// Each write is an edge, so that nobody has to read it.
    bell: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, bell })
    }

    /// Registers a descriptor that its owner keeps open until it is deleted.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        let flags = READABLE | WRITABLE | EventFlags::ET;
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(key as u64), flags)?)
    }

    /// Edges need no arming.
    pub(crate) fn arm(&self, _: BorrowedFd<'_>, _: Ready) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Ends a wait, the next if none is under way.
    pub(crate) fn notify(&self) -> io::Result<()> {
        match rustix::io::write(&self.bell, &1_u64.to_ne_bytes()) {
            // Full, so it is ringing.
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells what is ready; waits for that, at most for `timeout`.
    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        tell: impl FnMut(Ready),
    ) -> io::Result<()> {
        // A wait of epoll's ends with a millisecond, one of `ppoll` when it should.
        let mut timeout = timeout.and_then(timespec);
        if timeout.is_some_and(|timeout| timeout.tv_nsec % 1_000_000 != 0) {
            poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], timeout.as_ref())?;
            timeout = Some(AT_ONCE_BACK);
        }
        let mut room = [MaybeUninit::uninit(); AT_ONCE];
        let (events, _) = epoll::wait(&self.epoll, &mut room, timeout.as_ref())?;
        let ready = events.iter().filter(|event| event.data.u64() != BELL);
        ready.map(ready_of).for_each(tell);
        Ok(())
    }
}

fn ready_of(event: &Event) -> Ready {
    let (flags, key) = (event.flags, event.data.u64());
    Ready {
        key: usize::try_from(key).unwrap_or(usize::MAX),
        readable: flags.intersects(READABLE | ENDED),
        writable: flags.intersects(WRITABLE | ENDED),
    }
}

/// `None` for longer than anybody lives.
fn timespec(timeout: Duration) -> Option<Timespec> {
    let nanos = timeout.subsec_nanos();
    let seconds = i64::try_from(timeout.as_secs()).ok()?;
    // Hours are not waited for to the nanosecond, and `int` has room for 24 days.
    let (seconds, nanos) = if seconds > 3600 { (3600, 0) } else { (seconds, nanos) };
    Some(Timespec { tv_sec: seconds, tv_nsec: nanos.into() })
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
