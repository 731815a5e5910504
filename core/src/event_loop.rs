//! The promise that every event loop keeps.

use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::task::{self, JoinHandle, LocalTask, Task};
use crate::{Error, ErrorKind, Job, LoopState, Proactor, Selector, Timer, context};

/// Which of asyncio's two models a loop follows.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// assert_eq!(LoopState::new("my-executor", LoopKind::Proactor).kind(), LoopKind::Proactor);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopKind {
    /// Waits until descriptors are ready (epoll, kqueue, AFD).
    Selector,
    /// Waits until operations are complete (io_uring, IOCP).
    Proactor,
}

/// An executor, its reactor and its timers, behind one face.
///
/// This trait is what an *adapter* implements, and it is small on purpose. What a
/// user calls (`run_until_complete`, `spawn`, `stop`, `close` …) are the methods
/// of `dyn EventLoop` below, which do the checks that are the same for every
/// executor and then call these.
///
/// The trait is `Send + Sync` because handles to a loop travel. A loop that is
/// bound to a thread (compio) makes its executor on the first
/// [`drive`](Self::drive), keeps it in that thread, and answers
/// [`ErrorKind::WrongThread`] elsewhere.
///
/// ```
/// use policy_core::task::Task;
/// use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Timer};
/// use std::pin::Pin;
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Waker};
/// use std::time::{Duration, Instant};
///
/// /// Polls its main future without a pause, and has no tasks: the least that an
/// /// executor can do.
/// #[derive(Debug)]
/// struct Spinning(LoopState);
///
/// impl EventLoop for Spinning {
///     fn state(&self) -> &LoopState {
///         &self.0
///     }
///     fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
///         let mut cx = Context::from_waker(Waker::noop());
///         while main.as_mut().poll(&mut cx).is_pending() {}
///         Ok(())
///     }
///     fn submit(&self, _task: Task) -> Result<(), Error> {
///         Err(ErrorKind::Unsupported.into())
///     }
///     fn submit_blocking(&self, job: Job) -> Result<(), Error> {
///         std::thread::spawn(|| job.run());
///         Ok(())
///     }
///     fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
///         Ok(Timer::new(std::future::poll_fn(move |_| {
///             if Instant::now() < deadline { Poll::Pending } else { Poll::Ready(()) }
///         })))
///     }
///     fn shutdown(&self, _limit: Duration) {}
/// }
///
/// let state = LoopState::new("spinning", LoopKind::Selector);
/// let event_loop: Arc<dyn EventLoop> = Arc::new(Spinning(state));
/// let job = event_loop.spawn_blocking(|| 6 * 7);
/// assert_eq!(event_loop.run_until_complete(job)?.unwrap(), 42);
/// event_loop.close()?;
/// # Ok::<(), Error>(())
/// ```
pub trait EventLoop: Debug + Send + Sync + 'static {
    /// Returns the part that all loops share.
    fn state(&self) -> &LoopState;

    /// Runs the loop on this thread until `main` is done.
    ///
    /// Called by one thread at a time, never nested, with the loop entered in
    /// [`context`]. `main` never panics. The loop's other tasks make progress
    /// meanwhile; they stay when the call returns, for the next.
    ///
    /// # Errors
    /// If the loop can't run here, before `main` was polled: for example
    /// [`ErrorKind::WrongThread`], or [`ErrorKind::OtherLoopRunning`] where the
    /// executor can't be nested in what runs on this thread.
    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error>;

    /// Gives a task to the executor. Called from any thread, also while nobody
    /// drives the loop: the task then waits.
    ///
    /// # Errors
    /// If the executor takes no tasks any more; the task is dropped, so cancelled.
    fn submit(&self, task: Task) -> Result<(), Error>;

    /// Gives a task to this thread's part of the executor. Called while this
    /// thread drives the loop.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`] from another thread, [`ErrorKind::Unsupported`]
    /// where the executor has no such tasks (the default).
    fn submit_local(&self, task: LocalTask) -> Result<(), Error> {
        drop(task);
        Err(ErrorKind::Unsupported.into())
    }

    /// Gives a job to a thread where it may block. Called from any thread.
    ///
    /// # Errors
    /// If no thread can be had, or none is given any more; the job is dropped.
    fn submit_blocking(&self, job: Job) -> Result<(), Error>;

    /// Makes a timer of this loop. Called from any thread.
    ///
    /// # Errors
    /// If the executor has no timers.
    fn timer(&self, deadline: Instant) -> Result<Timer, Error>;

    /// Returns the loop as a selector.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if it can't be one (the default).
    fn selector(&self) -> Result<&dyn Selector, Error> {
        Err(unsupported(self.state(), "a selector"))
    }

    /// Returns the loop as a proactor.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if it can't be one (the default).
    fn proactor(&self) -> Result<&dyn Proactor, Error> {
        Err(unsupported(self.state(), "a proactor"))
    }

    /// Returns true if tasks make progress while nobody drives the loop, on
    /// threads of its own.
    fn is_self_driving(&self) -> bool {
        false
    }

    /// Drops every task that is left, and waits until none is being polled and
    /// no worker thread is left; at most for `limit`.
    ///
    /// Called once, when the loop is closed: nobody drives it, and nothing is
    /// submitted any more. It may be called inside one of the loop's own tasks;
    /// then it does not wait.
    fn shutdown(&self, limit: Duration);
}

fn unsupported(state: &LoopState, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the event loop {} is not {what}; choose another with `policy::set_event_loop_policy`",
            state.name()
        ),
    )
}

/// What was left when a loop shut down.
///
/// ```
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// let report = event_loop.close_within(std::time::Duration::from_secs(5))?;
/// if report.blocking_jobs > 0 {
///     eprintln!("{} blocking jobs run on", report.blocking_jobs);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Blocking jobs that ran on when the limit was over.
    pub blocking_jobs: usize,
}

/// What a user calls.
impl dyn EventLoop {
    /// Returns the name of the loop: the executor, and its flavour.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// println!("running on {}", event_loop.name()); // "tokio:multi_thread"
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        self.state().name()
    }

    /// Returns whether the loop is a selector or a proactor.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use policy_core::LoopKind;
    ///
    /// if event_loop.kind() == LoopKind::Selector {
    ///     let _selector = event_loop.selector()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn kind(&self) -> LoopKind {
        self.state().kind()
    }

    /// Returns true while the loop is run, by any thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// assert!(!event_loop.is_running());
    /// let inner = event_loop.clone();
    /// event_loop.run_until_complete(async move { assert!(inner.is_running()) })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_running(&self) -> bool {
        self.state().is_running()
    }

    /// Returns true once the loop was closed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.close()?;
    /// assert!(event_loop.is_closed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.state().is_closed()
    }

    /// Returns true if the loop is in debug mode.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_debug(&self) -> bool {
        self.state().debug().load(Ordering::Relaxed)
    }

    /// Turns debug mode on or off, from any thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.set_debug(cfg!(debug_assertions));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_debug(&self, debug: bool) {
        self.state().debug().store(debug, Ordering::Relaxed);
    }

    /// Returns the time by the loop's clock, which never goes back.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// event_loop.run_until_complete(event_loop.timer(event_loop.time() + Duration::from_millis(5))?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn time(&self) -> Instant {
        Instant::now()
    }

    /// Runs the loop on this thread until `future` is done, and returns its result.
    ///
    /// Other tasks make progress meanwhile and stay, suspended, for the next run
    /// (on a loop with threads of its own they go on).
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`]; [`ErrorKind::AlreadyRunning`], if the loop is run
    /// by this or another thread; [`ErrorKind::OtherLoopRunning`], if another loop
    /// runs on this thread; [`ErrorKind::StoppedBeforeComplete`], after
    /// [`stop`](#method.stop): `future` is dropped then. In all other cases it was
    /// never polled.
    ///
    /// # Panics
    /// If `future` panics: with its payload, once the run is over. The loop stays
    /// usable.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let answer = event_loop.run_until_complete(async { 6 * 7 })?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_until_complete<F: Future>(self: &Arc<Self>, future: F) -> Result<F::Output, Error> {
        let mut future = pin!(future);
        let mut result = None;
        let ran = self.run(|cx| {
            // Caught here, raised when the executor has returned: a panic never
            // unwinds through it.
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => result = Some(Ok(output)),
                Err(payload) => result = Some(Err(payload)),
            }
            Poll::Ready(())
        });
        match result {
            Some(Ok(output)) => Ok(output),
            Some(Err(payload)) => resume_unwind(payload),
            None => ran.and(Err(ErrorKind::StoppedBeforeComplete.into())),
        }
    }

    /// Runs the loop on this thread until [`stop`](#method.stop) is called.
    ///
    /// A stop that was asked for before makes it run one turn.
    ///
    /// # Errors
    /// As [`run_until_complete`](#method.run_until_complete), but for the stop.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let stopper = event_loop.clone();
    /// let _task = event_loop.spawn(async move { stopper.stop() });
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_forever(self: &Arc<Self>) -> Result<(), Error> {
        self.run(|_| Poll::Pending)
    }

    fn run(self: &Arc<Self>, poll: impl FnMut(&mut Context<'_>) -> Poll<()>) -> Result<(), Error> {
        self.state().check_open()?;
        context::refuse_nesting(self)?;
        let _running = self.state().begin_run()?;
        let mut main = pin!(Main {
            state: self.state(),
            poll,
            registered: None,
            progress: Progress::NotBegun,
        });
        context::scope(self, || self.drive(main.as_mut()))
    }

    /// Asks the run of this loop to end, from any thread. Does nothing on a closed
    /// loop; does not accumulate.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let stopper = event_loop.clone();
    /// std::thread::spawn(move || stopper.stop());
    /// event_loop.run_forever()?; // until then
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self) {
        self.state().stop().ask();
    }

    /// Runs `future` as a task of this loop (asyncio's `create_task`). May be
    /// called from any thread, also while the loop is not run.
    ///
    /// On a closed loop the handle says that the task was cancelled;
    /// [`try_spawn`](#method.try_spawn) says why.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let task = event_loop.spawn(async { 6 * 7 });
    /// let answer = event_loop.run_until_complete(task)?;
    /// assert_eq!(answer.unwrap(), 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = task::new(future);
        if self.state().check_open().is_ok() {
            // A task that is refused is dropped: the handle knows.
            let _cancelled = self.submit(task);
        }
        handle
    }

    /// As [`spawn`](#method.spawn), with an error where the loop takes no task.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`]; [`ErrorKind::Forked`].
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
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.state().check_open()?;
        let (task, handle) = task::new(future);
        self.submit(task)?;
        Ok(handle)
    }

    /// Runs `future`, which need not be `Send`, on this thread.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`]; [`ErrorKind::WrongThread`], if this thread is not
    /// the one that runs the loop; [`ErrorKind::Unsupported`], if the loop has no
    /// such tasks.
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
    pub fn try_spawn_local<F>(&self, future: F) -> Result<JoinHandle<F::Output>, Error>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.state().check_open()?;
        let (task, handle) = task::new_local(future);
        self.submit_local(task)?;
        Ok(handle)
    }

    /// As [`try_spawn_local`](#method.try_spawn_local); where that gives an error,
    /// the handle says that the task was cancelled.
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
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (task, handle) = task::new_local(future);
        if self.state().check_open().is_ok() {
            let _cancelled = self.submit_local(task);
        }
        handle
    }

    /// Runs `f` on a thread where it may block (asyncio's `run_in_executor`).
    ///
    /// A job that has begun can't be cancelled: aborting it, or dropping the
    /// handle, lets it run to its end. On a closed loop the handle says that the
    /// job was cancelled.
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
            let _cancelled = self.submit_blocking(job);
        }
        handle
    }

    /// As [`spawn_blocking`](#method.spawn_blocking), with an error where the loop
    /// takes no job.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`]; [`ErrorKind::Io`], if no thread can be had.
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
        self.submit_blocking(job)?;
        Ok(handle)
    }

    fn job<F, T>(self: &Arc<Self>, f: F) -> (Job, JoinHandle<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // Weak: a job that runs for ever does not keep its loop open.
        let event_loop = Arc::downgrade(self);
        self.state().blocking().job(move || context::blocking_scope(event_loop, f))
    }

    /// Closes the loop: drops the tasks that are left, does not wait for blocking
    /// jobs. Closing twice does nothing the second time.
    ///
    /// # Errors
    /// [`ErrorKind::CloseWhileRunning`], with nothing changed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.run_until_complete(async {})?;
    /// event_loop.close()?;
    /// event_loop.close()?; // does nothing
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(self: &Arc<Self>) -> Result<(), Error> {
        self.close_within(Duration::ZERO).map(drop)
    }

    /// Closes the loop in the order of asyncio's `run`: cancels the tasks that are
    /// left and waits for them, then waits for blocking jobs; at most for `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::CloseWhileRunning`], with nothing changed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let _job = event_loop.spawn_blocking(|| println!("done"));
    /// let report = event_loop.close_within(std::time::Duration::from_secs(5))?;
    /// assert_eq!(report.blocking_jobs, 0); // it was waited for
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_within(self: &Arc<Self>, limit: Duration) -> Result<ShutdownReport, Error> {
        if !self.state().begin_close()? {
            return Ok(ShutdownReport::default());
        }
        if self.state().is_forked() {
            // The threads to wait for are the parent's.
            return Ok(ShutdownReport::default());
        }
        let began = Instant::now();
        let left = || limit.saturating_sub(began.elapsed());
        // A pool that goes down with its executor forgets jobs that have not
        // begun; asyncio runs them.
        self.state().blocking().wait_started(left());
        // Destructors of tasks see the loop that they belong to, closed.
        context::scope(self, || self.shutdown(left()));
        Ok(ShutdownReport { blocking_jobs: self.state().blocking().wait_finished(left()) })
    }
}

/// The future that an executor sees while its loop is run.
struct Main<'a, P> {
    state: &'a LoopState,
    poll: P,
    /// The address of the waker that `stop` has, to register it only when it
    /// changes. Not `will_wake`: executors lend wakers whose clones have another
    /// table (tokio's `block_on`), so that it says no every time.
    registered: Option<(usize, usize)>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotBegun,
    Runs,
    LastTurn,
    Done,
}

impl<P> Unpin for Main<'_, P> {}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Future for Main<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.progress == Progress::Done {
            // An executor may poll once too often; a user's future must not notice.
            return Poll::Ready(());
        }
        if self.progress == Progress::NotBegun {
            self.progress = Progress::Runs;
        }
        if (self.poll)(cx).is_ready() {
            self.progress = Progress::Done;
            return Poll::Ready(());
        }
        let waker = cx.waker();
        let address = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        if self.registered != Some(address) {
            let clone = waker.clone();
            // A clone with the same data keeps it alive, so that the address is not
            // used again; else it may come to mean another waker.
            self.registered = (clone.data() == waker.data()).then_some(address);
            self.state.stop().register(clone);
        }
        if !self.state.stop().is_asked() {
            return Poll::Pending;
        }
        // One more turn for what is ready now, as asyncio's loop finishes its
        // batch after `stop`.
        if self.progress == Progress::Runs {
            self.progress = Progress::LastTurn;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.progress = Progress::Done;
        Poll::Ready(())
    }
}

impl<P> Drop for Main<'_, P> {
    fn drop(&mut self) {
        // A run that was refused did not make the turn that `stop` asks for.
        if self.progress != Progress::NotBegun {
            self.state.stop().clear();
        }
    }
}
