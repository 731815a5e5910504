//! A source of a reactor, and any number of tasks that wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use policy_core::{Interest, Source};

use super::BorrowedIo;

/// A [`Source`], which knows one waker per direction, shared by many tasks.
///
/// The source is given a waker of ours that wakes all who wait: of two tasks that
/// accept from one listener none is forgotten. Nothing is allocated by a call, but for
/// the list of those who wait, which keeps its room.
pub(crate) struct Registered {
    source: Box<dyn Source>,
    // Made when they are needed: of most sources one is.
    readers: OnceLock<Direction>,
    writers: OnceLock<Direction>,
}

impl Registered {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        Self { source, readers: OnceLock::new(), writers: OnceLock::new() }
    }

    /// Tries `op` until it gives anything but `WouldBlock` or `Interrupted`; see
    /// [`Source::poll_io`].
    ///
    /// # Errors
    /// What `op` gives, and what the reactor gives.
    pub(crate) fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let direction = match interest {
            Interest::Readable => &self.readers,
            Interest::Writable => &self.writers,
        }
        .get_or_init(Direction::new);
        let op = &mut |io: BorrowedIo<'_>| uninterrupted(|| op(io));
        for _ in 0..2 {
            let before = direction.waiting.lock().wakes;
            let mut theirs = Context::from_waker(&direction.waker);
            let polled = self.source.poll_io(&mut theirs, interest, op);
            if polled.is_ready() || direction.waiting.join(cx.waker(), before) {
                return polled;
            }
            // It became ready before this task was remembered: so again.
        }
        // Ready again and again, and nothing to be had: others should have a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Calls a system call again that a signal interrupted.
pub(crate) fn uninterrupted<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

struct Direction {
    waiting: Arc<Waiting>,
    /// What the source is given: wakes `waiting`.
    waker: Waker,
}

impl Direction {
    fn new() -> Self {
        let waiting = Arc::<Waiting>::default();
        Self { waker: Waker::from(waiting.clone()), waiting }
    }
}

#[derive(Default)]
struct Waiting(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    wakers: VecDeque<Waker>,
    /// How often the source woke: what happened since somebody looked.
    wakes: u64,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Whole between any two statements: also after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a waker. Returns false if the source woke since `before`.
    fn join(&self, waker: &Waker, before: u64) -> bool {
        let mut queue = self.lock();
        if queue.wakes != before {
            return false;
        }
        if !queue.wakers.iter().any(|known| known.will_wake(waker)) {
            queue.wakers.push_back(waker.clone());
        }
        true
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut left = {
            let mut queue = self.lock();
            queue.wakes = queue.wakes.wrapping_add(1);
            queue.wakers.len()
        };
        // One by one, from the front: outside the lock, and without a list of their own.
        // Who comes back meanwhile is behind them, and waits for the next time.
        while left > 0 {
            let Some(waker) = self.lock().wakers.pop_front() else { break };
            wake(waker);
            left -= 1;
        }
    }
}

/// Wakes. A waker that panics must not end the reactor that calls it: tokio's ends with
/// its loop.
pub(crate) fn wake(waker: Waker) {
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        log::error!(
            "the waker of a task that waits for I/O panicked; the others are not concerned"
        );
    }
}
