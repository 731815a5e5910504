//! A loop whose executor has a thread: tasks go on while nobody drives the loop. Whole,
//! it keeps the contract; broken on purpose in one way, the suite finds it out.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use policy::core::task::{Id, Task};
use policy::core::{Job, LoopState, Timer, context};
use policy::{ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy, LoopKind};

/// A policy of loops with a thread, which are broken in one way, or whole.
pub(crate) fn policy(sabotage: Option<Sabotage>) -> Arc<dyn EventLoopPolicy> {
    let make = move || ThreadedLoop::start(sabotage);
    Arc::new(ContextPolicy::new(make, policy::context::Context::thread()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every test file breaks something")]
pub(crate) enum Sabotage {
    /// Every second task is never woken.
    LosesWakeUps,
    /// The thread, once it is asleep, wakes for new tasks only.
    SleepsThroughWakeUps,
    /// Every hundredth task is dropped.
    LosesTasks,
    /// Main is polled only when no task is left.
    StarvesMain,
    /// A task that wakes itself runs on, and none besides.
    StarvesTasks,
    /// Closing drops nothing.
    KeepsTasks,
    NeverRunsTasks,
}

struct ThreadedLoop {
    state: LoopState,
    shared: Arc<Shared>,
    /// Brings the bell, the timers and the jobs.
    inner: Arc<dyn EventLoop>,
    sabotage: Option<Sabotage>,
    count: AtomicUsize,
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
    /// `None` once it has ended.
    thread: Option<ThreadId>,
    /// Whom to wake when no task is left.
    main: Option<Waker>,
    last: Option<Id>,
    closed: bool,
}

impl Queue {
    /// Takes the task that was taken before, if it is ready again; else the first.
    fn monopolist(&mut self) -> Option<Arc<Entry>> {
        let again = self.ready.iter().position(|entry| Some(entry.id) == self.last);
        let entry = self.ready.remove(again.unwrap_or(0));
        self.last = entry.as_ref().map(|entry| entry.id);
        entry
    }
}

/// A task, and its waker.
struct Entry {
    id: Id,
    task: Mutex<Option<Task>>,
    queued: AtomicBool,
    shared: Weak<Shared>,
    rings: bool,
}

impl ThreadedLoop {
    fn start(sabotage: Option<Sabotage>) -> Result<Arc<dyn EventLoop>, Error> {
        let shared = Arc::<Shared>::default();
        let event_loop: Arc<dyn EventLoop> = Arc::new(Self {
            state: LoopState::self_driving("threaded", LoopKind::Selector),
            shared: shared.clone(),
            inner: crate::minimal_loop::policy().new_event_loop()?,
            sabotage,
            count: AtomicUsize::new(0),
        });
        let weak = Arc::downgrade(&event_loop);
        let mut queue = shared.queue.lock().unwrap();
        let polls = shared.clone();
        let thread = thread::spawn(move || polls.run(&weak, sabotage));
        queue.thread = Some(thread.thread().id());
        drop(queue);
        Ok(event_loop)
    }

    /// Returns true once in so many calls.
    fn every(&self, times: usize) -> bool {
        self.count.fetch_add(1, SeqCst) % times == times - 1
    }
}

impl Shared {
    fn run(&self, event_loop: &Weak<dyn EventLoop>, sabotage: Option<Sabotage>) {
        while let Some(batch) = self.wait(sabotage) {
            for entry in batch {
                // The loop is entered for the poll, and held no longer.
                let Some(event_loop) = event_loop.upgrade() else { break };
                context::scope(&event_loop, || self.poll(&entry));
            }
        }
        self.queue.lock().unwrap().thread = None;
        self.changed.notify_all();
    }

    /// Waits for what is ready now. `None` once the loop is closed.
    fn wait(&self, sabotage: Option<Sabotage>) -> Option<VecDeque<Arc<Entry>>> {
        let mut queue = self.queue.lock().unwrap();
        while queue.ready.is_empty() && !queue.closed {
            queue = self.changed.wait(queue).unwrap();
        }
        if queue.closed {
            return None;
        }
        Some(match sabotage {
            Some(Sabotage::StarvesTasks) => queue.monopolist().into_iter().collect(),
            _ => mem::take(&mut queue.ready),
        })
    }

    /// Polls one task, outside the lock: it may spawn and wake others.
    fn poll(&self, entry: &Arc<Entry>) {
        entry.queued.store(false, SeqCst);
        let Some(mut task) = entry.task.lock().unwrap().take() else { return };
        let waker = Waker::from(entry.clone());
        if Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_ready() {
            return self.forget(entry.id);
        }
        let queue = self.queue.lock().unwrap();
        if !queue.closed {
            *entry.task.lock().unwrap() = Some(task);
        }
    }

    fn forget(&self, id: Id) {
        let mut queue = self.queue.lock().unwrap();
        let done = queue.alive.remove(&id);
        let main = if queue.alive.is_empty() { queue.main.take() } else { None };
        drop(queue);
        drop(done);
        main.into_iter().for_each(Waker::wake);
    }

    /// Waits until the thread has ended, unless it is the one that asks.
    fn join(&self, limit: Duration) {
        let ended = Instant::now() + limit;
        let mut queue = self.queue.lock().unwrap();
        while queue.thread.is_some_and(|thread| thread != thread::current().id()) {
            let left = ended.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            queue = self.changed.wait_timeout(queue, left).unwrap().0;
        }
    }
}

impl EventLoop for ThreadedLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        if self.sabotage != Some(Sabotage::StarvesMain) {
            return self.inner.drive(main);
        }
        self.inner.drive(pin!(poll_fn(|cx: &mut Context<'_>| {
            let mut queue = self.shared.queue.lock().unwrap();
            if queue.alive.is_empty() {
                drop(queue);
                return main.as_mut().poll(cx);
            }
            queue.main = Some(cx.waker().clone());
            Poll::Pending
        })))
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        let mut shared = Arc::downgrade(&self.shared);
        match self.sabotage {
            Some(Sabotage::LosesTasks) if self.every(100) => {
                drop(task);
                return Ok(());
            }
            Some(Sabotage::LosesWakeUps) if self.every(2) => shared = Weak::new(),
            _ => {}
        }
        let entry = Arc::new(Entry {
            id: task.id(),
            task: Mutex::new(Some(task)),
            queued: AtomicBool::new(true),
            shared,
            rings: self.sabotage != Some(Sabotage::SleepsThroughWakeUps),
        });
        let mut queue = self.shared.queue.lock().unwrap();
        if queue.closed {
            // Outside the lock: dropping a task runs destructors.
            drop(queue);
            return Err(ErrorKind::LoopClosed.into());
        }
        queue.alive.insert(entry.id, entry.clone());
        if self.sabotage != Some(Sabotage::NeverRunsTasks) {
            queue.ready.push_back(entry);
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        self.inner.submit_blocking(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        self.inner.timer(deadline)
    }

    fn shutdown(&self, limit: Duration) {
        let (tasks, ready) = {
            let mut queue = self.shared.queue.lock().unwrap();
            queue.closed = true;
            self.shared.changed.notify_all();
            (mem::take(&mut queue.alive), mem::take(&mut queue.ready))
        };
        if self.sabotage == Some(Sabotage::KeepsTasks) {
            return mem::forget((tasks, ready));
        }
        // Outside the lock: destructors may spawn, and are refused.
        for entry in tasks.into_values() {
            let task = entry.task.lock().unwrap().take();
            drop(task);
        }
        self.shared.join(limit);
    }
}

impl Drop for ThreadedLoop {
    fn drop(&mut self) {
        if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        let Some(shared) = self.shared.upgrade() else { return };
        if self.queued.swap(true, SeqCst) {
            return;
        }
        let rings = self.rings;
        let mut queue: MutexGuard<'_, Queue> = shared.queue.lock().unwrap();
        if !queue.closed {
            queue.ready.push_back(self);
        }
        if rings {
            shared.changed.notify_all();
        }
    }
}

impl fmt::Debug for ThreadedLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}
