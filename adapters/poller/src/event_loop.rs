//! The event loop on the system's own readiness.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use policy_core::os::OwnedIo;
use policy_core::{Error, EventLoop, Job, LoopKind, LoopState, Selector, Source, Timer};

use crate::bell::Bell;
use crate::reactor::Reactor;
use crate::timers::{self, Home, Timers};

/// The event loop on the system's own readiness (epoll, kqueue, AFD), asyncio's
/// `SelectorEventLoop`: one poller per loop, which the thread that runs the loop waits
/// for, and no other.
///
/// Tasks run on the thread that runs the loop, and wait while nobody does. Those
/// that were spawned with `spawn_local` belong to the thread that spawned them:
/// when the loop is closed on another thread, they go when their thread ends.
#[derive(Debug)]
pub struct SelectorEventLoop {
    state: LoopState,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bell: Arc<Bell>,
    reactor: Arc<Reactor>,
    timers: Timers,
}

impl SelectorEventLoop {
    /// Makes a loop. It does not run yet, and no policy knows it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](policy_core::ErrorKind::Io), if the system has no descriptors for
    /// its poller.
    ///
    /// ```
    /// let event_loop = policy_poller::SelectorEventLoop::new()?;
    /// assert_eq!(event_loop.name(), "selector");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[allow(clippy::new_ret_no_self, reason = "loops are shared: every call takes an `Arc`")]
    pub fn new() -> Result<Arc<dyn EventLoop>, Error> {
        let reactor = Arc::new(Reactor::new()?);
        let bell = Arc::new(Bell::new(reactor.clone()));
        let shared = Arc::new(Shared { bell, reactor, timers: Timers::default() });
        Ok(Arc::new(Self { state: LoopState::new("selector", LoopKind::Selector), shared }))
    }
}

impl Home for Shared {
    fn timers(&self) -> &Timers {
        &self.timers
    }

    fn ring(&self) {
        self.bell.wake_by_ref();
    }
}

impl EventLoop for SelectorEventLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let Shared { bell, timers, .. } = &*self.shared;
        let waker = Waker::from(bell.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            bell.silence();
            if main.as_mut().poll(&mut cx).is_ready() {
                return Ok(());
            }
            bell.wait(|| Some(timers.next()?.saturating_duration_since(Instant::now())));
            timers.fire();
        }
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        policy_blocking::submit(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timers::at(self.shared.clone(), deadline))
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(self)
    }

    #[cfg(unix)]
    fn become_guest(&self) -> Result<Option<OwnedIo>, Error> {
        self.shared.reactor.descriptor().map(Some)
    }

    fn shutdown(&self, _limit: Duration) {
        self.shared.timers.close();
        self.shared.reactor.close();
    }
}

impl Selector for SelectorEventLoop {
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        self.shared.reactor.register(io)
    }
}

impl Drop for SelectorEventLoop {
    fn drop(&mut self) {
        // In a forked child only memory is left of the parent's loop.
        if !self.state.is_forked() && self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}
