//! Who wakes a thread that waits for its poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Wake;
use std::time::Duration;

use crate::reactor::Reactor;

/// The waker of the main future.
#[derive(Debug)]
pub(crate) struct Bell {
    reactor: Arc<Reactor>,
    rings: AtomicBool,
    /// The thread waits, or is about to. Set before a last look at `rings`, which is set
    /// before a look at this: so one of the two sees the other.
    waits: AtomicBool,
}

impl Bell {
    pub(crate) fn new(reactor: Arc<Reactor>) -> Self {
        Self { reactor, rings: AtomicBool::new(false), waits: AtomicBool::new(false) }
    }

    /// Called before the main future is polled.
    pub(crate) fn silence(&self) {
        self.rings.store(false, SeqCst);
    }

    /// Looks at the poller; waits, at most for `timeout`, unless it rings.
    pub(crate) fn wait(&self, timeout: impl FnOnce() -> Option<Duration>) {
        let mut limit = Some(Duration::ZERO);
        if !self.rings.load(SeqCst) {
            limit = timeout();
            self.waits.store(true, SeqCst);
            if self.rings.load(SeqCst) {
                limit = Some(Duration::ZERO);
            }
        }
        self.reactor.turn(limit);
        self.waits.store(false, SeqCst);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rings.swap(true, SeqCst) && self.waits.load(SeqCst) {
            self.reactor.notify();
        }
    }
}
