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
        // Nor does it wait any more when it tells who is ready: they ring, on this thread, and a
        // notification would only end the next wait at once.
        self.reactor.turn_and(limit, || self.waits.store(false, SeqCst));
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

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::task::{Context, Waker};

    use policy_core::{Interest, os};

    use super::*;

    // It was notified of what it was just telling: two system calls more for each that is ready.
    #[test]
    fn who_is_woken_by_the_look_itself_does_not_end_the_next_wait() {
        let reactor = Arc::new(Reactor::new().unwrap());
        let bell = Arc::new(Bell::new(reactor.clone()));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let source = reactor.register(Arc::new(ours.into())).unwrap();
        reactor.turn(Some(Duration::ZERO)); // it can be written to
        let waker = Waker::from(bell.clone());
        let mut tries = 0;
        let mut not_yet = |_: os::BorrowedIo<'_>| {
            tries += 1;
            Err(std::io::ErrorKind::WouldBlock.into())
        };
        let polled =
            source.poll_io(&mut Context::from_waker(&waker), Interest::Readable, &mut not_yet);
        assert!(polled.is_pending());
        bell.silence();
        theirs.write_all(b"x").unwrap();
        bell.wait(|| None);
        assert!(bell.rings.load(SeqCst), "it was not woken");
        assert!(!os::wait_readable([reactor.as_fd()], 0).unwrap(), "it was notified, too");
        // From elsewhere, while nobody waits, neither: the next wait looks at the bell first.
        bell.silence();
        bell.wake_by_ref();
        bell.wait(|| None);
        // And one that waits is.
        bell.silence();
        let other = bell.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !other.waits.load(SeqCst) {
                    std::thread::yield_now();
                }
                other.wake();
            });
            bell.wait(|| None);
        });
        assert!(bell.rings.load(SeqCst));
    }
}
