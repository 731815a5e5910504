//! Blocking jobs: what a loop's thread pool runs, and how a loop waits for its jobs when it shuts
//! down.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use super::clock::Outside;
use crate::sync::{Condvar, Mutex};
use crate::task::{self, JoinHandle, Task};
use crate::{Error, EventLoop, budget, context};

/// A closure of any type, on its way to a thread where it may block.
///
/// An adapter hands it to its pool and calls [`run`](Self::run) there; it never
/// panics. Dropping it unrun cancels it.
///
/// ```
/// use policy_core::blocking::Gauge;
///
/// let gauge = Gauge::default();
/// let (job, handle) = gauge.job(|| 6 * 7);
/// std::thread::spawn(move || job.run()).join().unwrap();
/// assert!(handle.is_finished());
/// ```
pub struct Job {
    task: Task,
    ticket: Ticket,
    /// The loop that ambient calls mean inside of it. Weak: a job that runs for ever
    /// does not keep its loop open.
    home: Option<Weak<dyn EventLoop>>,
    /// Time must not jump over it.
    outside: Option<Outside>,
}

impl Job {
    /// Runs the closure on this thread, to its end.
    ///
    /// ```
    /// use policy_core::blocking::Gauge;
    ///
    /// let gauge = Gauge::default();
    /// let (job, handle) = gauge.job(|| panic!("not here"));
    /// job.run(); // the panic is in the handle
    /// let handle: policy_core::task::JoinHandle<()> = handle;
    /// assert!(handle.is_finished());
    /// ```
    pub fn run(self) {
        let Self { mut task, mut ticket, home, outside } = self;
        ticket.start();
        // One poll runs the closure: see `Gauge::job`.
        // Not as a task of the loop: while it blocks, a paused clock is free to advance.
        let mut run = || {
            let _ready = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
        };
        match home {
            Some(home) => context::blocking_scope(home, run),
            None => run(),
        }
        drop(ticket);
        drop(outside);
    }

    pub(crate) fn set_home(&mut self, event_loop: &Arc<dyn EventLoop>) {
        self.home = Some(Arc::downgrade(event_loop));
        self.outside = Some(event_loop.state().outside());
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("id", &self.task.id()).finish()
    }
}

/// Runs blocking jobs in place of a loop's own threads; see
/// [`set_default_executor`](trait.EventLoop.html#method.set_default_executor).
///
/// Any function of a job is one, too.
///
/// ```
/// use policy_core::{BlockingExecutor, Error, Job};
///
/// /// A thread for each job.
/// struct Threads;
///
/// impl BlockingExecutor for Threads {
///     fn submit(&self, job: Job) -> Result<(), Error> {
///         let started = std::thread::Builder::new().spawn(move || job.run());
///         started.map(drop).map_err(|error| Error::io("can't start a thread; end others", error))
///     }
/// }
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// event_loop.set_default_executor(Threads)?;
/// # Ok(())
/// # }
/// ```
pub trait BlockingExecutor: Send + Sync + 'static {
    /// Takes a job and calls [`Job::run`] on a thread where it may block. Called from any thread;
    /// must not block itself.
    ///
    /// A closing loop waits for the jobs that it submitted, and then drops the executor.
    ///
    /// # Errors
    /// Returns an error if no thread is available; the job is dropped.
    fn submit(&self, job: Job) -> Result<(), Error>;
}

impl<F> BlockingExecutor for F
where
    F: Fn(Job) -> Result<(), Error> + Send + Sync + 'static,
{
    fn submit(&self, job: Job) -> Result<(), Error> {
        self(job)
    }
}

/// A loop's executor, if it was given one.
#[derive(Default)]
pub(crate) struct Executor(Mutex<Option<Arc<dyn BlockingExecutor>>>);

impl Executor {
    /// Returns the one before, which is dropped outside the lock.
    pub(crate) fn replace(
        &self,
        executor: Option<Arc<dyn BlockingExecutor>>,
    ) -> Option<Arc<dyn BlockingExecutor>> {
        std::mem::replace(&mut *self.0.lock(), executor)
    }

    pub(crate) fn get(&self) -> Option<Arc<dyn BlockingExecutor>> {
        self.0.lock().clone()
    }
}

/// Counts a loop's blocking jobs, so that a closing loop can wait for them.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// // Each loop has one.
/// let state = LoopState::new("my-executor", LoopKind::Selector);
/// let (job, _handle) = state.blocking().job(|| 1);
/// job.run();
/// ```
#[derive(Clone, Default)]
pub struct Gauge {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    queued: usize,
    running: usize,
}

impl Gauge {
    /// Makes a job, and counts it from now until it has run or is dropped.
    ///
    /// ```
    /// use policy_core::blocking::Gauge;
    ///
    /// let (job, handle) = Gauge::default().job(|| 6 * 7);
    /// drop(job); // not run: cancelled
    /// assert!(handle.is_finished());
    /// ```
    pub fn job<F, T>(&self, f: F) -> (Job, JoinHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, handle) = task::new(async move { budget::outside(f) });
        self.shared.change(|counts| counts.queued += 1);
        let ticket = Ticket { shared: self.shared.clone(), started: false };
        (Job { task, ticket, home: None, outside: None }, handle)
    }

    /// Blocks this thread until every accepted job has begun, for at most `limit`. Returns the
    /// number of jobs that have not.
    ///
    /// ```
    /// use policy_core::blocking::Gauge;
    /// use std::time::Duration;
    ///
    /// let gauge = Gauge::default();
    /// let (job, _handle) = gauge.job(|| ());
    /// assert_eq!(gauge.wait_started(Duration::ZERO), 1);
    /// job.run();
    /// assert_eq!(gauge.wait_started(Duration::MAX), 0);
    /// ```
    pub fn wait_started(&self, limit: Duration) -> usize {
        self.wait(limit, |counts| counts.queued)
    }

    /// Blocks this thread until no job is left, for at most `limit`. Returns the number of jobs
    /// that are left.
    ///
    /// ```
    /// use policy_core::blocking::Gauge;
    /// use std::time::Duration;
    ///
    /// let gauge = Gauge::default();
    /// let (job, _handle) = gauge.job(|| ());
    /// std::thread::spawn(|| job.run());
    /// assert_eq!(gauge.wait_finished(Duration::MAX), 0);
    /// ```
    pub fn wait_finished(&self, limit: Duration) -> usize {
        self.wait(limit, |counts| counts.queued + counts.running)
    }

    fn wait(&self, limit: Duration, left: impl Fn(&Counts) -> usize) -> usize {
        let counts = self.shared.counts.lock();
        left(&self.shared.changed.wait_for(counts, limit, |counts| left(counts) > 0).0)
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.shared.counts.lock();
        counts.fmt(f)
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock());
        self.changed.notify_all();
    }
}

/// A job's place in the count.
struct Ticket {
    shared: Arc<Shared>,
    started: bool,
}

impl Ticket {
    fn start(&mut self) {
        self.started = true;
        self.shared.change(|counts| {
            counts.queued -= 1;
            counts.running += 1;
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let started = self.started;
        self.shared.change(|counts| match started {
            true => counts.running -= 1,
            false => counts.queued -= 1,
        });
    }
}
