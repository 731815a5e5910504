//! Many pidfds in an epoll instance of their own, which is one descriptor for the loop. The
//! kernel lists those that are ready in the order in which they became so.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::Interest;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::Found;
use crate::process::background;
use crate::process::background::anchor::Anchor;
use crate::process::identity::{Claim, Record};

#[derive(Debug)]
pub(super) struct ByEpoll {
    anchor: Anchor,
    /// With the descriptor, which stays open while it is in there.
    waiting: HashMap<u64, (Claim, Arc<OwnedFd>)>,
    last: u64,
    /// Those that are known to have exited.
    ready: VecDeque<u64>,
    /// Those that have and can't be reaped yet: a tracer holds them.
    held: Vec<u64>,
}

/// How many exits are asked for at once.
const BATCH: usize = 64;

/// How long a child is left alone that can't be reaped yet.
const PAUSE: Duration = Duration::from_millis(20);

impl ByEpoll {
    /// Returns `None` if there are no descriptors left: there are other ways.
    pub(super) fn new() -> Option<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).ok()?;
        Some(Self {
            anchor: Anchor::new(Arc::new(epoll)),
            waiting: HashMap::new(),
            last: 0,
            ready: VecDeque::new(),
            held: Vec::new(),
        })
    }

    /// Returns false if the child has no pidfd, or it is not taken.
    pub(super) fn push(&mut self, record: &Arc<Record>) -> bool {
        let Some(pidfd) = record.pidfd() else { return false };
        self.last += 1;
        // Once: what is told is told.
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        if epoll::add(self.anchor.fd(), &pidfd, EventData::new_u64(self.last), flags).is_err() {
            return false;
        }
        self.waiting.insert(self.last, (Claim::new(record.clone()), pidfd));
        true
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the next exit; as an error the children, if no reactor takes us.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        self.ready.extend(self.held.drain(..));
        let mut held = Vec::new();
        while !self.waiting.is_empty() {
            while let Some(number) = self.ready.pop_front() {
                let Some((claim, pidfd)) = self.waiting.get(&number) else { continue };
                let (pid, outcome) = (claim.record().pid(), claim.record().try_reap());
                let Some(outcome) = outcome else {
                    held.push(number);
                    continue;
                };
                // Others may have the descriptor for longer.
                let _gone = epoll::delete(self.anchor.fd(), pidfd);
                self.waiting.remove(&number);
                self.held = held;
                return Poll::Ready(Ok((pid, outcome)));
            }
            let ready = &mut self.ready;
            let mut look = |epoll: BorrowedFd<'_>| {
                let mut events: [Event; BATCH] =
                    [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; BATCH];
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                let count = epoll::wait(epoll, &mut events[..], Some(&now))?;
                if count == 0 {
                    return Err(std::io::ErrorKind::WouldBlock.into());
                }
                ready.extend(events.iter().take(count).map(|event| event.data.u64()));
                Ok(count)
            };
            match self.anchor.poll_io(cx, Interest::Readable, &mut look) {
                Poll::Ready(Ok(Ok(_))) => {}
                Poll::Ready(_) => {
                    let waiting = self.waiting.drain().map(|(_, (claim, _))| claim);
                    return Poll::Ready(Err(waiting.map(|claim| claim.record().clone()).collect()));
                }
                Poll::Pending => break,
            }
        }
        if !held.is_empty() {
            background::wake_after(PAUSE, cx.waker().clone());
            self.held = held;
        }
        Poll::Pending
    }
}
