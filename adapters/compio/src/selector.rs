//! Descriptors that are waited for until they are ready.
//!
//! The loop has one poller for all of them, and waits for that by one operation of
//! compio's. An operation for each descriptor would have to be started and dropped on the
//! loop's thread, while a [`Source`] may be on any; would allocate at each wait; and would
//! take regular files for ready, which are refused here.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use compio_runtime::fd::PollFd;
use policy_core::sync::Mutex;
use policy_core::{Error, ErrorKind, Source};
use policy_poller::reactor::Reactor;

use crate::shared::Shared;

/// Registers a descriptor with the loop's poller.
pub(crate) fn register(shared: &Shared, fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
    if shared.is_closed() {
        return Err(ErrorKind::LoopClosed.into());
    }
    let source = shared.reactor.start()?.register(fd)?;
    if !shared.reactor.used.swap(true, Ordering::AcqRel) {
        // The first: the loop may sleep, and not wait for the poller yet.
        shared.ring();
    }
    Ok(source)
}

/// A reactor that starts when the loop is first run, or a descriptor registered.
#[derive(Debug, Default)]
pub(crate) struct LazyReactor {
    started: OnceLock<Arc<Reactor>>,
    starting: Mutex<()>,
    /// Whether a descriptor was ever registered: until then nobody waits for it.
    used: AtomicBool,
}

impl LazyReactor {
    fn used(&self) -> Option<&Arc<Reactor>> {
        self.started.get().filter(|_| self.used.load(Ordering::Acquire))
    }

    pub(crate) fn start(&self) -> Result<&Arc<Reactor>, Error> {
        if let Some(reactor) = self.started.get() {
            return Ok(reactor);
        }
        let _starting = self.starting.lock();
        if let Some(reactor) = self.started.get() {
            return Ok(reactor);
        }
        let reactor = Arc::new(Reactor::new()?);
        Ok(self.started.get_or_init(|| reactor))
    }

    pub(crate) fn close(&self) {
        if let Some(reactor) = self.started.get() {
            reactor.close();
        }
    }
}

/// How the loop's thread waits for the poller.
#[derive(Default)]
pub(crate) struct Lookout {
    poll: RefCell<Option<PollFd<Nested>>>,
    /// Whether an operation is under way.
    armed: Cell<bool>,
    ready: Arc<Flag>,
}

/// Where the poller can't be waited for, it is looked at so often.
const RETRY: Duration = Duration::from_millis(10);

impl Lookout {
    /// Begins to wait for the poller, if there is one. Returns how long the loop may
    /// sleep at most.
    pub(crate) fn arm(&self, shared: &Shared) -> Option<Duration> {
        let reactor = shared.reactor.used()?;
        if self.armed.get() {
            return None;
        }
        match self.poll(reactor) {
            Poll::Pending => {
                self.armed.set(true);
                None
            }
            Poll::Ready(result) => {
                self.ready.0.store(true, Ordering::Release);
                Some(if result.is_ok() { Duration::ZERO } else { RETRY })
            }
        }
    }

    /// Returns how soon the poller is to be looked at, if it can't be waited for.
    pub(crate) fn retry(&self, shared: &Shared) -> Option<Duration> {
        (shared.reactor.used().is_some() && !self.armed.get()).then_some(RETRY)
    }

    /// Wakes who waits for a descriptor that became ready.
    pub(crate) fn dispatch(&self, shared: &Shared) {
        if !self.ready.0.load(Ordering::Acquire) {
            return;
        }
        self.ready.0.store(false, Ordering::Release);
        let Some(reactor) = shared.reactor.used() else { return };
        if self.armed.get() && self.poll(reactor).is_ready() {
            self.armed.set(false);
        }
        reactor.turn(Some(Duration::ZERO));
    }

    fn poll(&self, reactor: &Arc<Reactor>) -> Poll<io::Result<()>> {
        let mut poll = self.poll.borrow_mut();
        let poll = match &mut *poll {
            Some(poll) => poll,
            none => none.insert(PollFd::new(Nested(reactor.clone()))?),
        };
        let waker = Waker::from(self.ready.clone());
        let ready = poll.poll_read_ready(&mut Context::from_waker(&waker));
        if let Poll::Ready(Err(error)) = &ready {
            log::warn!("an event loop can't wait for its poller, and looks at it instead: {error}");
        }
        ready
    }

    /// Takes the operation back, before the runtime goes.
    pub(crate) fn clear(&self) {
        drop(self.poll.take());
    }

    /// Leaves the operation to itself, in a forked child.
    pub(crate) fn forget(&self) {
        mem::forget(self.poll.take());
    }
}

/// The poller as a descriptor of its own.
struct Nested(Arc<Reactor>);

impl AsFd for Nested {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
