//! The smallest event loop that keeps every promise: one thread, a queue, and
//! nothing but std. Read it to learn what an adapter must do.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a lock is poisoned only if a test failed")]

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::task::{Id, Task};
use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Timer};

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
    ready: VecDeque<Arc<Entry>>,
    alive: HashMap<Id, Arc<Entry>>,
    timers: Vec<(Instant, Waker)>,
    main_is_ready: bool,
    closed: bool,
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
        let waker = Waker::from(Arc::new(MainWaker(self.shared.clone())));
        waker.wake_by_ref();
        loop {
            let (main_is_ready, batch) = self.shared.wait();
            if main_is_ready && main.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.shared.change(|inner| inner.ready.extend(batch));
                return Ok(());
            }
            batch.into_iter().for_each(Entry::run);
        }
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        let id = task.id();
        let (task, queued) = (Mutex::new(Some(task)), AtomicBool::new(true));
        let entry = Arc::new(Entry { id, task, queued, shared: self.shared.clone() });
        let accepted = self.shared.change(|inner| {
            if !inner.closed {
                inner.alive.insert(id, entry.clone());
                inner.ready.push_back(entry.clone());
            }
            !inner.closed
        });
        if accepted { Ok(()) } else { Err(ErrorKind::LoopClosed.into()) }
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
            shared.change(|inner| inner.timers.push((deadline, cx.waker().clone())));
            Poll::Pending
        })))
    }

    fn shutdown(&self, _limit: Duration) {
        let (alive, _ready, _timers) = self.shared.change(|inner| {
            inner.closed = true;
            let left = (&mut inner.alive, &mut inner.ready, &mut inner.timers);
            (std::mem::take(left.0), std::mem::take(left.1), std::mem::take(left.2))
        });
        // Outside the lock: destructors are user code.
        alive.values().for_each(|entry| drop(entry.take()));
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
    fn change<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let changed = change(&mut self.inner.lock().unwrap());
        self.changed.notify_all();
        changed
    }

    /// Waits for something to do; returns whether main is ready, and a batch.
    fn wait(&self) -> (bool, VecDeque<Arc<Entry>>) {
        let mut inner = self.inner.lock().unwrap();
        while !inner.main_is_ready && inner.ready.is_empty() {
            let next = inner.timers.iter().map(|(deadline, _)| *deadline).min();
            let rest = next.map_or(Duration::from_secs(3600), |next| {
                next.saturating_duration_since(Instant::now())
            });
            inner = self.changed.wait_timeout(inner, rest).unwrap().0;
            let (due, later) = std::mem::take(&mut inner.timers)
                .into_iter()
                .partition(|(deadline, _)| *deadline <= Instant::now());
            inner.timers = later;
            drop(inner);
            Vec::into_iter(due).for_each(|(_, waker): (_, Waker)| waker.wake());
            inner = self.inner.lock().unwrap();
        }
        (std::mem::take(&mut inner.main_is_ready), std::mem::take(&mut inner.ready))
    }
}

#[derive(Debug)]
struct Entry {
    id: Id,
    task: Mutex<Option<Task>>,
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Entry {
    fn take(&self) -> Option<Task> {
        self.task.lock().unwrap().take()
    }

    fn run(self: Arc<Self>) {
        self.queued.store(false, SeqCst);
        // Taken out while it is polled: nothing of the loop is locked meanwhile.
        let Some(mut task) = self.take() else { return };
        let waker = Waker::from(self.clone());
        if Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending() {
            *self.task.lock().unwrap() = Some(task);
        } else {
            self.shared.change(|inner| inner.alive.remove(&self.id));
        }
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, SeqCst) {
            self.shared.clone().change(|inner| inner.ready.push_back(self));
        }
    }
}

struct MainWaker(Arc<Shared>);

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.0.change(|inner| inner.main_is_ready = true);
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

    fn submit(&self, task: Task) -> Result<(), Error> {
        self.inner.submit(task)
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
