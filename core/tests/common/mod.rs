//! The smallest event loop that keeps every promise: one thread, a queue, and
//! nothing but std. Read it to learn what an adapter must do.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a lock is poisoned only if a test failed")]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::{Error, EventLoop, Job, LoopKind, LoopState, Timer};

#[derive(Debug)]
pub(crate) struct TinyLoop {
    state: LoopState,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_woken: bool,
    timers: Vec<(Instant, Waker)>,
}

impl TinyLoop {
    #[allow(clippy::new_ret_no_self, reason = "a loop is always used behind the contract")]
    pub(crate) fn new() -> Arc<dyn EventLoop> {
        let state = LoopState::new("tiny", LoopKind::Selector);
        Arc::new(Self { state, shared: Arc::default() })
    }
}

impl EventLoop for TinyLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let waker = Waker::from(self.shared.clone());
        while main.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.shared.wait().into_iter().for_each(Waker::wake);
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        match thread::Builder::new().name("policy-tiny-job".into()).spawn(|| job.run()) {
            Ok(_runs) => Ok(()),
            Err(error) => Err(Error::io("no thread for a job; raise the limit", error)),
        }
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let shared = self.shared.clone();
        Ok(Timer::new(poll_fn(move |cx| {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            shared.inner.lock().unwrap().timers.push((deadline, cx.waker().clone()));
            shared.changed.notify_all();
            Poll::Pending
        })))
    }

    fn shutdown(&self, _limit: Duration) {
        let timers = std::mem::take(&mut self.shared.inner.lock().unwrap().timers);
        // Outside the lock: destructors of wakers are user code.
        drop(timers);
    }
}

impl Drop for TinyLoop {
    fn drop(&mut self) {
        if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}

impl Shared {
    /// Waits until main is woken or a timer is due; returns whom to wake for that.
    fn wait(&self) -> Vec<Waker> {
        let mut inner = self.inner.lock().unwrap();
        loop {
            let now = Instant::now();
            let (due, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut inner.timers).into_iter().partition(|(at, _)| *at <= now);
            inner.timers = later;
            if std::mem::take(&mut inner.is_woken) || !due.is_empty() {
                return due.into_iter().map(|(_, waker)| waker).collect();
            }
            let next = inner.timers.iter().map(|(at, _)| *at).min();
            let rest = next.map_or(Duration::from_secs(3600), |next| next - now);
            inner = self.changed.wait_timeout(inner, rest).unwrap().0;
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.inner.lock().unwrap().is_woken = true;
        self.changed.notify_all();
    }
}

/// Calls a closure when the thread ends, after the thread-locals that were first
/// used later are gone.
pub(crate) fn at_thread_end(f: impl FnOnce() + 'static) {
    struct AtEnd(Option<Box<dyn FnOnce()>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
    thread_local! {
        static AT_END: std::cell::RefCell<AtEnd> = const { std::cell::RefCell::new(AtEnd(None)) };
    }
    AT_END.with(|at_end| at_end.borrow_mut().0 = Some(Box::new(f)));
}

/// Calls a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A loop that calls a closure when it is dropped.
pub(crate) fn loop_that(at_its_end: impl FnMut() + Send + Sync + 'static) -> Arc<dyn EventLoop> {
    Arc::new(Ends { inner: TinyLoop::new(), _at_its_end: OnDrop(Box::new(at_its_end)) })
}

struct Ends {
    inner: Arc<dyn EventLoop>,
    _at_its_end: OnDrop<Box<dyn FnMut() + Send + Sync>>,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl EventLoop for Ends {
    fn state(&self) -> &LoopState {
        self.inner.state()
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        self.inner.drive(main)
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        self.inner.submit_blocking(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        self.inner.timer(deadline)
    }

    fn shutdown(&self, limit: Duration) {
        self.inner.shutdown(limit);
    }
}
