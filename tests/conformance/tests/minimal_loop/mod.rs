//! The least that is an event loop: a queue, a condition variable, threads. It proves
//! that the contract can be kept by a newcomer; and broken on purpose, that the suite
//! notices.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, LazyLock, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy::core::task::{Id, Task};
use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy, LoopKind};

/// A policy of minimal loops that break the contract in one way.
pub(crate) fn policy(sabotage: Sabotage) -> Arc<dyn EventLoopPolicy> {
    let make = move || MinimalLoop::make(sabotage);
    Arc::new(ContextPolicy::new(make, policy::Context::thread()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file uses its part")]
pub(crate) enum Sabotage {
    None,
    /// Every fifth wake-up of a task is lost.
    LosesWakeUps,
    /// Who is woken waits until something else happens.
    SleepsThroughWakeUps,
    /// Every hundredth task is dropped.
    LosesTasks,
    /// Main is polled only when no task is ready.
    StarvesMain,
    /// The last task that was woken runs first.
    StarvesTasks,
    EarlyTimers,
    UnorderedTimers,
    /// Closing drops nothing.
    KeepsTasks,
    /// Blocking jobs run where they are asked for.
    BlocksItself,
    /// The run ends in a panic of the loop's own.
    Panics,
    NeverRunsTasks,
}

struct MinimalLoop {
    state: LoopState,
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    sabotage: Sabotage,
    count: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<Entry>>,
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
    fn make(sabotage: Sabotage) -> Result<Arc<dyn EventLoop>, Error> {
        let (queue, changed, count) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        let shared = Shared { queue, changed, sabotage, count };
        let state = LoopState::new("minimal", LoopKind::Selector);
        Ok(Arc::new(Self { state, shared: Arc::new(shared) }))
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
        let sabotage = shared.sabotage;
        assert!(sabotage != Sabotage::Panics, "sabotaged");
        shared.queue.lock().unwrap().main_woken = true;
        loop {
            let (main_woken, mut batch) = {
                let mut queue = shared.queue.lock().unwrap();
                while !queue.main_woken && queue.ready.is_empty() {
                    queue = shared.changed.wait(queue).unwrap();
                }
                // One turn: what is ready now, not what becomes ready meanwhile.
                let batch = match sabotage {
                    Sabotage::NeverRunsTasks => VecDeque::new(),
                    Sabotage::StarvesTasks => queue.ready.pop_back().into_iter().collect(),
                    _ => std::mem::take(&mut queue.ready),
                };
                let starved = sabotage == Sabotage::StarvesMain && !batch.is_empty();
                (!starved && std::mem::take(&mut queue.main_woken), batch)
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
        let shared = &self.shared;
        if shared.sabotage == Sabotage::LosesTasks && shared.count.fetch_add(1, SeqCst) % 100 == 99
        {
            return Ok(());
        }
        let entry = Arc::new(Entry {
            id: task.id(),
            task: Mutex::new(Some(task)),
            queued: AtomicBool::new(true),
            shared: Arc::downgrade(shared),
        });
        let mut queue = shared.queue.lock().unwrap();
        if queue.closed {
            // Outside the lock: dropping a task runs destructors.
            drop(queue);
            return Err(ErrorKind::LoopClosed.into());
        }
        queue.alive.insert(entry.id, entry.clone());
        queue.ready.push_back(entry);
        shared.changed.notify_all();
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        if self.shared.sabotage == Sabotage::BlocksItself {
            job.run();
            return Ok(());
        }
        match thread::Builder::new().spawn(move || job.run()) {
            Ok(_detached) => Ok(()),
            Err(error) => Err(Error::io("can't start a thread; end others", error)),
        }
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let deadline = match self.shared.sabotage {
            Sabotage::EarlyTimers => deadline.checked_sub(Duration::from_millis(2)),
            Sabotage::UnorderedTimers => deadline.checked_add(Duration::from_millis(
                (self.shared.count.fetch_add(1, SeqCst) as u64 * 37) % 100,
            )),
            _ => Some(deadline),
        };
        Ok(timer(deadline.unwrap_or_else(Instant::now)))
    }

    fn shutdown(&self, _limit: Duration) {
        let tasks = {
            let mut queue = self.shared.queue.lock().unwrap();
            queue.closed = true;
            queue.ready.clear();
            std::mem::take(&mut queue.alive)
        };
        if self.shared.sabotage == Sabotage::KeepsTasks {
            return std::mem::forget(tasks);
        }
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
        if shared.sabotage == Sabotage::LosesWakeUps && shared.count.fetch_add(1, SeqCst) % 5 == 4 {
            return;
        }
        if !self.queued.swap(true, SeqCst) {
            shared.queue.lock().unwrap().ready.push_back(self);
            if shared.sabotage != Sabotage::SleepsThroughWakeUps {
                shared.changed.notify_all();
            }
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
