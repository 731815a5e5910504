//! The least that is an event loop: a queue, a condition variable, threads. It proves
//! that the contract can be kept by a newcomer, for whom docs/writing-an-adapter.md goes
//! through it; and broken on purpose (`sabotage.rs`), that the suite notices.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, LazyLock, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy::core::task::{Id, Task};
use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy, LoopKind};

/// A policy that makes one minimal loop per thread.
pub(crate) fn policy() -> Arc<dyn EventLoopPolicy> {
    let make = || Ok(Arc::new(MinimalLoop::new()) as Arc<dyn EventLoop>);
    Arc::new(ContextPolicy::new(make, policy::Context::thread()))
}

struct MinimalLoop {
    state: LoopState,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Woken, and not polled yet.
    ready: VecDeque<Arc<Entry>>,
    /// All that are not done.
    alive: HashMap<Id, Arc<Entry>>,
    main_woken: bool,
    closed: bool,
}

/// A task, and its waker.
struct Entry {
    id: Id,
    task: Mutex<Option<Task>>,
    queued: AtomicBool,
    shared: Weak<Shared>,
}

struct MainWaker(Weak<Shared>);

impl MinimalLoop {
    fn new() -> Self {
        Self { state: LoopState::new("minimal", LoopKind::Selector), shared: Arc::default() }
    }

    /// Polls one task, outside the lock: it may spawn and wake others.
    fn poll(&self, entry: &Arc<Entry>) {
        entry.queued.store(false, SeqCst);
        let Some(mut task) = entry.task.lock().unwrap().take() else { return };
        let waker = Waker::from(entry.clone());
        if Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending() {
            *entry.task.lock().unwrap() = Some(task);
        } else {
            self.shared.queue.lock().unwrap().alive.remove(&entry.id);
        }
    }
}

impl EventLoop for MinimalLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let shared = &self.shared;
        let waker = Waker::from(Arc::new(MainWaker(Arc::downgrade(shared))));
        shared.queue.lock().unwrap().main_woken = true;
        loop {
            let (main_woken, mut batch) = {
                let mut queue = shared.queue.lock().unwrap();
                while !queue.main_woken && queue.ready.is_empty() {
                    queue = shared.changed.wait(queue).unwrap();
                }
                // One turn: what is ready now, not what becomes ready meanwhile.
                (std::mem::take(&mut queue.main_woken), std::mem::take(&mut queue.ready))
            };
            if main_woken && main.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                shared.queue.lock().unwrap().ready.extend(batch);
                return Ok(());
            }
            while let Some(entry) = batch.pop_front() {
                self.poll(&entry);
            }
        }
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        let entry = Arc::new(Entry {
            id: task.id(),
            task: Mutex::new(Some(task)),
            queued: AtomicBool::new(true),
            shared: Arc::downgrade(&self.shared),
        });
        let mut queue = self.shared.queue.lock().unwrap();
        if queue.closed {
            // Outside the lock: dropping a task runs destructors.
            drop(queue);
            return Err(ErrorKind::LoopClosed.into());
        }
        queue.alive.insert(entry.id, entry.clone());
        queue.ready.push_back(entry);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        match thread::Builder::new().spawn(move || job.run()) {
            Ok(_detached) => Ok(()),
            Err(error) => Err(Error::io("can't start a thread; end others", error)),
        }
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timer(deadline))
    }

    fn shutdown(&self, _limit: Duration) {
        let tasks = {
            let mut queue = self.shared.queue.lock().unwrap();
            queue.closed = true;
            queue.ready.clear();
            std::mem::take(&mut queue.alive)
        };
        // Outside the lock: destructors may spawn, and are refused.
        for entry in tasks.into_values() {
            let task = entry.task.lock().unwrap().take();
            drop(task);
        }
    }
}

impl Drop for MinimalLoop {
    fn drop(&mut self) {
        if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        if !self.queued.swap(true, SeqCst) {
            shared.queue.lock().unwrap().ready.push_back(self);
            shared.changed.notify_all();
        }
    }
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.queue.lock().unwrap().main_woken = true;
            shared.changed.notify_all();
        }
    }
}

impl fmt::Debug for MinimalLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

/// The clock of all minimal loops: a heap, and a thread that wakes what is due.
#[derive(Default)]
struct Clock {
    timers: Mutex<Timers>,
    changed: Condvar,
}

#[derive(Default)]
struct Timers {
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    wakers: HashMap<usize, Waker>,
    last: usize,
}

static CLOCK: LazyLock<Arc<Clock>> = LazyLock::new(|| {
    let clock = Arc::<Clock>::default();
    let ticks = clock.clone();
    thread::spawn(move || ticks.run());
    clock
});

impl Clock {
    fn run(&self) {
        let mut timers = self.timers.lock().unwrap();
        loop {
            let now = Instant::now();
            match timers.due.peek().map(|Reverse((due, _))| *due) {
                Some(due) if due <= now => {
                    let first = timers.due.pop();
                    let waker = first.and_then(|Reverse((_, key))| timers.wakers.remove(&key));
                    drop(timers);
                    waker.into_iter().for_each(Waker::wake);
                    timers = self.timers.lock().unwrap();
                }
                Some(due) => timers = self.changed.wait_timeout(timers, due - now).unwrap().0,
                None => timers = self.changed.wait(timers).unwrap(),
            }
        }
    }
}

fn timer(deadline: Instant) -> Timer {
    let mut key = None;
    Timer::new(poll_fn(move |cx| {
        let mut timers = CLOCK.timers.lock().unwrap();
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        let key = *key.get_or_insert_with(|| {
            timers.last += 1;
            let key = timers.last;
            timers.due.push(Reverse((deadline, key)));
            key
        });
        timers.wakers.insert(key, cx.waker().clone());
        CLOCK.changed.notify_all();
        Poll::Pending
    }))
}

// A child, since it breaks what is private.
#[allow(dead_code, reason = "not every test file breaks something")]
pub(crate) mod sabotage;
