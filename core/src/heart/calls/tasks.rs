//! The calls that give work to a loop: tasks, and blocking jobs.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use crate::heart::Ready;
use crate::heart::debug;
use crate::surroundings::{self, Enter, Inside};
use crate::task::{self, JoinHandle, Task};
use crate::{BlockingExecutor, Error, ErrorKind, EventLoop, Job};

/// Tasks, and jobs that block.
impl dyn EventLoop {
    /// Spawns `future` as a task of this loop (asyncio's `create_task`). May be called from any
    /// thread, also while the loop is not running.
    ///
    /// On a closed loop the handle reports that the task was cancelled;
    /// [`try_spawn`](#method.try_spawn) returns the reason.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let task = event_loop.spawn(async { 6 * 7 });
    /// let answer = event_loop.run_until_complete(task)?;
    /// assert_eq!(answer.unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_located(future, Location::caller())
    }

    /// Like [`spawn`](#method.spawn), for functions that wrap it: `location` is where they were
    /// called, for debug mode.
    #[doc(hidden)]
    pub fn spawn_located<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // A task that is refused is cancelled: the handle knows.
        self.start(future, location).0
    }

    /// Like [`spawn`](#method.spawn), but returns an error if the loop does not take the task.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, and [`ErrorKind::Forked`] in a
    /// child of `fork`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use policy_core::ErrorKind;
    ///
    /// match event_loop.try_spawn(async {}) {
    ///     Ok(task) => drop(task), // detached
    ///     Err(error) if error.kind() == ErrorKind::LoopClosed => eprintln!("too late"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.try_spawn_located(future, Location::caller())
    }

    /// Like [`try_spawn`](#method.try_spawn), for functions that wrap it.
    ///
    /// # Errors
    /// Returns the errors of [`try_spawn`](#method.try_spawn).
    #[doc(hidden)]
    pub fn try_spawn_located<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, accepted) = self.start(future, location);
        accepted.map(|()| handle)
    }

    fn start<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> (JoinHandle<F::Output>, Result<(), Error>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let ready = self.state().ready();
        match (ready.is_debug(), surroundings::here()) {
            (false, None) => self.start_task(future),
            (is_debug, around) => {
                self.start_task(wrapped(future, is_debug.then_some(ready), around, location))
            }
        }
    }

    /// Gives a task to the executor, whose threads poll it.
    pub(crate) fn submit_own(&self, task: Task) -> Result<(), Error> {
        // The threads of an adopted runtime are somebody else's.
        self.submit(if self.state().is_adopted() { task } else { task.on_worker() })
    }

    /// Spawns a task of the loop's own, which debug mode does not look at.
    pub(crate) fn start_task<F>(&self, future: F) -> (JoinHandle<F::Output>, Result<(), Error>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let state = self.state();
        let open = state.check_open();
        if state.ready().runs_tasks() && open.is_ok() {
            let (handle, accepted) = state.ready().spawn(future);
            let closed = || Err(ErrorKind::LoopClosed.into());
            return (handle, if accepted { Ok(()) } else { closed() });
        }
        let (task, handle) = task::new(future);
        (handle, open.and_then(|()| self.submit_own(task)))
    }

    /// Spawns `future`, which need not be `Send`, on this thread.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed; [`ErrorKind::WrongThread`] if
    /// another thread runs the loop; [`ErrorKind::Unsupported`] if the loop has no such tasks.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::rc::Rc;
    ///
    /// let inner = event_loop.clone();
    /// event_loop.run_until_complete(async move {
    ///     let shared = Rc::new(1); // not `Send`
    ///     let task = inner.try_spawn_local(async move { *shared })?;
    ///     assert_eq!(task.await.unwrap(), 1);
    ///     Ok::<(), policy_core::Error>(())
    /// })??;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_spawn_local<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.try_spawn_local_located(future, Location::caller())
    }

    /// Like [`try_spawn_local`](#method.try_spawn_local), for functions that wrap it.
    ///
    /// # Errors
    /// Returns the errors of [`try_spawn_local`](#method.try_spawn_local).
    #[doc(hidden)]
    pub fn try_spawn_local_located<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (handle, accepted) = self.start_local(future, location);
        accepted.map(|()| handle)
    }

    /// Like [`try_spawn_local`](#method.try_spawn_local), but where that returns an error, the
    /// handle reports that the task was cancelled.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let inner = event_loop.clone();
    /// event_loop.run_until_complete(async move {
    ///     let shared = std::rc::Rc::new(1);
    ///     assert_eq!(inner.spawn_local(async move { *shared }).await.unwrap(), 1);
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.start_local(future, Location::caller()).0
    }

    fn start_local<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> (JoinHandle<F::Output>, Result<(), Error>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let ready = self.state().ready();
        match (ready.is_debug(), surroundings::here()) {
            (false, None) => ready.spawn_local(self.state(), future),
            (is_debug, around) => {
                let future = wrapped_local(future, is_debug.then_some(ready), around, location);
                ready.spawn_local(self.state(), future)
            }
        }
    }

    /// Runs `f` on a thread where it may block (asyncio's `run_in_executor`).
    ///
    /// A job that has begun can't be cancelled: if you abort it, or drop the handle, it still runs
    /// to its end. On a closed loop the handle reports that the job was cancelled.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let text = event_loop.spawn_blocking(|| std::fs::read_to_string("/etc/hostname"));
    /// println!("{:?}", event_loop.run_until_complete(text)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn_blocking<F, T>(self: &Arc<Self>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (job, handle) = self.job(f);
        if self.state().check_open().is_ok() {
            let _cancelled = self.give(job);
        }
        handle
    }

    /// Like [`spawn_blocking`](#method.spawn_blocking), but returns an error if the loop does not
    /// take the job.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, and [`ErrorKind::Io`] if no thread
    /// is available.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let sum = event_loop.try_spawn_blocking(|| (0..1_000_000_u64).sum::<u64>())?;
    /// println!("{:?}", event_loop.run_until_complete(sum)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_spawn_blocking<F, T>(self: &Arc<Self>, f: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.state().check_open()?;
        let (job, handle) = self.job(f);
        self.give(job)?;
        Ok(handle)
    }

    /// Runs the loop's blocking jobs on `executor` from now on, in place of its own threads
    /// (asyncio's `set_default_executor`). Jobs that were submitted before stay where they are.
    ///
    /// A closing loop waits for its jobs as before, and then drops the executor. May be called from
    /// any thread.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, and [`ErrorKind::Forked`] in a
    /// child of `fork`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use policy_core::Job;
    /// use std::sync::mpsc;
    ///
    /// // One thread, so that jobs run one after the other.
    /// let (jobs, queue) = mpsc::channel::<Job>();
    /// std::thread::spawn(move || queue.into_iter().for_each(Job::run));
    /// event_loop.set_default_executor(move |job| {
    ///     jobs.send(job).map_err(|_| policy_core::ErrorKind::LoopClosed.into())
    /// })?;
    /// let answer = event_loop.run_until_complete(event_loop.spawn_blocking(|| 6 * 7))?;
    /// assert_eq!(answer.unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_default_executor(&self, executor: impl BlockingExecutor) -> Result<(), Error> {
        self.state().check_open()?;
        drop(self.state().executor().replace(Some(Arc::new(executor))));
        Ok(())
    }

    fn give(&self, job: Job) -> Result<(), Error> {
        self.state().ready().expect();
        match self.state().executor().get() {
            Some(executor) => executor.submit(job),
            None => self.submit_blocking(job),
        }
    }

    fn job<F, T>(self: &Arc<Self>, f: F) -> (Job, JoinHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (mut job, handle) = self.state().blocking().job(surroundings::carried(f));
        job.set_home(self);
        (job, handle)
    }
}

/// A task in debug mode, or inside of something. Boxed, so that the compiler makes no second task
/// of each future's type; decided at the spawn, it costs other tasks' polls nothing.
#[cold]
fn wrapped<F>(
    future: F,
    debugged: Option<&Arc<Ready>>,
    around: Option<Enter>,
    location: &'static Location<'static>,
) -> Pin<Box<dyn Future<Output = F::Output> + Send>>
where
    F: Future + Send + 'static,
{
    let mut boxed: Pin<Box<dyn Future<Output = F::Output> + Send>> = Box::pin(future);
    if let Some(ready) = debugged {
        boxed = Box::pin(debug::watched(boxed, ready, location));
    }
    if let Some(enter) = around {
        boxed = Box::pin(Inside::new(enter, boxed));
    }
    boxed
}

/// As [`wrapped`].
#[cold]
fn wrapped_local<F>(
    future: F,
    debugged: Option<&Arc<Ready>>,
    around: Option<Enter>,
    location: &'static Location<'static>,
) -> Pin<Box<dyn Future<Output = F::Output>>>
where
    F: Future + 'static,
{
    let mut boxed: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
    if let Some(ready) = debugged {
        boxed = Box::pin(debug::watched(boxed, ready, location));
    }
    if let Some(enter) = around {
        boxed = Box::pin(Inside::new(enter, boxed));
    }
    boxed
}
