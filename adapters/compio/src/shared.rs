//! The part of a loop that all threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use policy_core::sync::Mutex;
use policy_core::{Error, ErrorKind, LoopId};
use policy_poller::timers::{Home, Timers};

use crate::{Driver, local};

/// What others need to know of the runtime, which stays on its thread.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: LoopId,
    closed: AtomicBool,
    inner: Mutex<Inner>,
    /// The main future was woken.
    woken: AtomicBool,
    /// A host watches the driver between two runs.
    #[cfg(unix)]
    pub(crate) is_guest: AtomicBool,
    pub(crate) timers: Timers,
    #[cfg(unix)]
    pub(crate) reactor: crate::selector::LazyReactor,
}

#[derive(Debug, Default)]
struct Inner {
    /// The thread that has the runtime.
    home: Option<ThreadId>,
    /// Which driver the runtime got, the last if it has gone.
    driver: Option<Driver>,
    /// Wakes the runtime; `None` while there is none.
    waker: Option<Waker>,
}

impl Shared {
    pub(crate) fn new(id: LoopId) -> Self {
        Self {
            id,
            closed: AtomicBool::new(false),
            inner: Mutex::default(),
            woken: AtomicBool::new(false),
            #[cfg(unix)]
            is_guest: AtomicBool::new(false),
            timers: Timers::default(),
            #[cfg(unix)]
            reactor: crate::selector::LazyReactor::default(),
        }
    }

    /// Returns which driver the loop got when it was first run.
    pub(crate) fn driver(&self) -> Option<Driver> {
        self.inner.lock().driver
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Wakes the loop's thread, to look at everything again.
    pub(crate) fn ring(&self) {
        if !local::is_driven_here(self.id) {
            let waker = self.inner.lock().waker.clone();
            if let Some(waker) = waker {
                // Pairs with the fence of `drive`: compio's flag alone leaves it open
                // whether a loop that has just returned from its driver sees what was
                // left for it.
                fence(Ordering::SeqCst);
                waker.wake();
            }
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Called before the main future is polled.
    pub(crate) fn awake(&self) {
        self.woken.store(false, Ordering::SeqCst);
    }

    /// Makes this thread the one that has the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] if another has it.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        match inner.home {
            Some(home) if home != thread::current().id() => Err(Error::new(
                ErrorKind::WrongThread,
                "a compio loop stays on the thread that ran it first, while that thread lives; run it there, or send it work with `event_loop.spawn(…)`",
            )),
            _ => {
                inner.home = Some(thread::current().id());
                Ok(())
            }
        }
    }

    /// Lets go of this thread: its runtime is gone, or was never made.
    pub(crate) fn leave(&self) {
        let waker = {
            let mut inner = self.inner.lock();
            inner.home = None;
            inner.waker.take()
        };
        drop(waker);
    }

    /// Says that there is a runtime.
    pub(crate) fn started(&self, driver: Driver, waker: Waker) {
        let mut inner = self.inner.lock();
        inner.driver = Some(driver);
        inner.waker = Some(waker);
    }

    /// Leaves what it has to itself, in a forked child.
    pub(crate) fn forget(&self) {
        if let Some(mut inner) = self.inner.try_lock() {
            std::mem::forget(inner.waker.take());
        }
    }
}

impl Home for Shared {
    fn timers(&self) -> &Timers {
        &self.timers
    }

    fn ring(&self) {
        self.ring();
    }
}

/// The waker of the main future.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            self.ring();
        }
    }
}
