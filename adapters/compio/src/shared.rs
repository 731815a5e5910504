//! The part of a loop that all threads share.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use policy_core::task::Task;
use policy_core::{Error, ErrorKind, LoopId};

#[cfg(any(target_os = "linux", windows))]
use crate::proactor::Submission;
use crate::tasks::{Node, Tasks};
use crate::timer::Timers;
use crate::{Driver, local};

/// What other threads hand to the loop, and what waits while nobody runs it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: LoopId,
    inner: Mutex<Inner>,
    /// Whether there is something to fetch: what the loop looks at in each turn.
    mail: AtomicBool,
    /// Whether the main future was woken.
    main: AtomicBool,
    pub(crate) timers: Timers,
    #[cfg(unix)]
    pub(crate) reactor: crate::selector::LazyReactor,
}

#[derive(Debug)]
struct Inner {
    closed: bool,
    /// The thread that has the runtime.
    home: Option<ThreadId>,
    /// Which driver the runtime got, the last if it has gone.
    driver: Option<Driver>,
    /// Wakes the runtime; `None` while there is none.
    waker: Option<Waker>,
    /// Tasks that were given while the loop was not run, or by another thread.
    fresh: Vec<Task>,
    /// Tasks that were woken so.
    woken: Vec<Arc<Node>>,
    /// Operations that were asked for so.
    #[cfg(any(target_os = "linux", windows))]
    operations: Vec<Submission>,
    /// All others, between two runs.
    tasks: Tasks<Task>,
}

impl Shared {
    pub(crate) fn new(id: LoopId) -> Self {
        Self {
            id,
            inner: Mutex::new(Inner {
                closed: false,
                home: None,
                driver: None,
                waker: None,
                fresh: Vec::new(),
                woken: Vec::new(),
                #[cfg(any(target_os = "linux", windows))]
                operations: Vec::new(),
                tasks: Tasks::new(),
            }),
            mail: AtomicBool::new(false),
            main: AtomicBool::new(false),
            timers: Timers::default(),
            #[cfg(unix)]
            reactor: crate::selector::LazyReactor::default(),
        }
    }

    /// Returns which driver the loop got when it was first run.
    pub(crate) fn driver(&self) -> Option<Driver> {
        self.lock().driver
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes a task from anybody but the loop's running thread.
    pub(crate) fn submit(&self, task: Task) -> Result<(), Error> {
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            // Outside the lock: dropping a task is user code.
            drop(task);
            return Err(ErrorKind::LoopClosed.into());
        }
        inner.fresh.push(task);
        self.posted(inner);
        Ok(())
    }

    /// Queues a task that was woken by anybody but the loop's running thread.
    pub(crate) fn schedule(&self, node: Arc<Node>) {
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            return drop(node);
        }
        inner.woken.push(node);
        self.posted(inner);
    }

    /// Begins an operation for anybody but the loop's running thread.
    #[cfg(any(target_os = "linux", windows))]
    pub(crate) fn perform(&self, submission: Submission) {
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            return submission.refuse(ErrorKind::LoopClosed);
        }
        inner.operations.push(submission);
        self.posted(inner);
    }

    fn posted(&self, inner: MutexGuard<'_, Inner>) {
        self.mail.store(true, Ordering::Release);
        let waker = inner.waker.clone();
        drop(inner);
        ring(waker);
    }

    /// Wakes the loop's thread, to look at everything again.
    pub(crate) fn wake(&self) {
        if !local::is_driven_here(self.id) {
            let waker = self.lock().waker.clone();
            ring(waker);
        }
    }

    /// Swaps what was posted with lists that are empty.
    pub(crate) fn fetch(&self, mail: &mut Mail) -> bool {
        if !self.mail.load(Ordering::Relaxed) {
            return false;
        }
        let mut inner = self.lock();
        self.mail.store(false, Ordering::Relaxed);
        mem::swap(&mut inner.fresh, &mut mail.fresh);
        mem::swap(&mut inner.woken, &mut mail.woken);
        #[cfg(any(target_os = "linux", windows))]
        mem::swap(&mut inner.operations, &mut mail.operations);
        true
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Relaxed)
    }

    pub(crate) fn is_main_woken(&self) -> bool {
        self.main.load(Ordering::Acquire)
    }

    pub(crate) fn take_main(&self) -> bool {
        // Most often clear, and a load is cheaper.
        self.is_main_woken() && self.main.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn wake_main(&self) {
        if !self.main.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Makes this thread the one that has the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] if another has it.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        let mut inner = self.lock();
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
            let mut inner = self.lock();
            inner.home = None;
            inner.waker.take()
        };
        drop(waker);
    }

    /// Says that there is a runtime.
    pub(crate) fn started(&self, driver: Driver, waker: Waker) {
        let mut inner = self.lock();
        inner.driver = Some(driver);
        inner.waker = Some(waker);
    }

    /// Takes the tasks out for a run.
    pub(crate) fn take_tasks(&self) -> Tasks<Task> {
        mem::replace(&mut self.lock().tasks, Tasks::new())
    }

    /// Puts the tasks back after a run, with those that wait for their turn.
    pub(crate) fn put_tasks(&self, tasks: Tasks<Task>, ready: impl Iterator<Item = Arc<Node>>) {
        let mut inner = self.lock();
        inner.tasks = tasks;
        // Before those that were woken meanwhile.
        let later = mem::take(&mut inner.woken);
        inner.woken.extend(ready);
        inner.woken.extend(later);
        if !inner.woken.is_empty() {
            self.mail.store(true, Ordering::Release);
        }
    }

    /// Takes no more, and gives what is left to who drops it.
    pub(crate) fn close(&self) -> Left {
        let mut inner = self.lock();
        inner.closed = true;
        let left = Left {
            tasks: mem::replace(&mut inner.tasks, Tasks::new()),
            mail: Mail {
                fresh: mem::take(&mut inner.fresh),
                woken: mem::take(&mut inner.woken),
                #[cfg(any(target_os = "linux", windows))]
                operations: mem::take(&mut inner.operations),
            },
        };
        drop(inner);
        left
    }

    /// As [`close`](Self::close) in a forked child, where the lock may be held for
    /// ever and nothing may be dropped.
    pub(crate) fn forget(&self) {
        if let Ok(mut inner) = self.inner.try_lock() {
            mem::forget(mem::replace(&mut inner.tasks, Tasks::new()));
            mem::forget(mem::take(&mut inner.fresh));
            mem::forget(mem::take(&mut inner.woken));
            #[cfg(any(target_os = "linux", windows))]
            mem::forget(mem::take(&mut inner.operations));
            mem::forget(inner.waker.take());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was posted.
#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) fresh: Vec<Task>,
    pub(crate) woken: Vec<Arc<Node>>,
    #[cfg(any(target_os = "linux", windows))]
    pub(crate) operations: Vec<Submission>,
}

/// What a loop leaves when it closes.
#[must_use]
pub(crate) struct Left {
    tasks: Tasks<Task>,
    mail: Mail,
}

impl Left {
    /// Drops the tasks, and gives back what operations have not begun.
    pub(crate) fn end(self) {
        let Self { tasks, mail } = self;
        drop((tasks, mail.fresh, mail.woken));
        #[cfg(any(target_os = "linux", windows))]
        mail.operations.into_iter().for_each(|operation| operation.refuse(ErrorKind::LoopClosed));
    }
}

/// Outside the lock: a system call.
fn ring(waker: Option<Waker>) {
    if let Some(waker) = waker {
        // Pairs with the fence of `turns`: compio's flag alone leaves it open whether a
        // loop that has just returned from its driver sees what was posted.
        fence(Ordering::SeqCst);
        waker.wake();
    }
}

/// The waker of the main future.
#[derive(Debug)]
pub(crate) struct MainWaker(pub(crate) Arc<Shared>);

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_main();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_main();
    }
}
