//! Many pidfds in one descriptor, which a loop waits for.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::Interest;

use super::Found;
use crate::process::background;
use crate::process::background::rover::Rover;
use crate::process::identity::{Claim, PidfdSet, Record};

#[derive(Debug)]
pub(super) struct ByPidfd {
    rover: Rover,
    set: PidfdSet,
    /// With the descriptor, which stays open while it is in there.
    waiting: HashMap<u64, (Claim, Arc<OwnedFd>)>,
    last: u64,
    /// Those that are known to have exited.
    ready: VecDeque<u64>,
    /// Those that have and can't be reaped yet: a tracer holds them.
    held: Vec<u64>,
}

/// How long a child is left alone that can't be reaped yet.
const PAUSE: Duration = Duration::from_millis(20);

impl ByPidfd {
    /// Returns `None` where there are no pidfds, or no descriptors left: there are other ways.
    pub(super) fn new() -> Option<Self> {
        let set = PidfdSet::new().ok()?;
        Some(Self {
            rover: Rover::new(set.fd().clone()),
            set,
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
        if self.set.add(&pidfd, self.last).is_err() {
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
                self.set.remove(pidfd);
                self.waiting.remove(&number);
                self.held = held;
                return Poll::Ready(Ok((pid, outcome)));
            }
            let (set, ready) = (&self.set, &mut self.ready);
            let mut look = |_: BorrowedFd<'_>| match set.exited(ready)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                count => Ok(count),
            };
            match self.rover.poll_io(cx, Interest::Readable, &mut look) {
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
