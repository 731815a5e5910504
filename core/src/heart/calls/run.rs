//! The methods of `dyn EventLoop`, which users call. They make the checks that are the same for
//! every executor, and then call the adapter's implementation.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::heart::{Advance, Lane, Turn};
use crate::{Error, ErrorKind, EventLoop, LoopKind, context};

/// Reports what was left when a loop shut down.
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
    /// The number of blocking jobs that were still running at the time limit.
    pub blocking_jobs: usize,
}

/// What a user calls.
impl dyn EventLoop {
    /// Returns the name of the loop: its executor and flavour.
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

    /// Returns the loop as the adapter's own type, for features that only its loops have. Returns
    /// `None` if the loop is of another type, or its adapter does not expose its type.
    ///
    /// ```
    /// # fn example<MyEventLoop: policy_core::EventLoop>(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// if let Some(event_loop) = event_loop.downcast_ref::<MyEventLoop>() {
    ///     println!("{event_loop:?}");
    /// }
    /// # }
    /// ```
    pub fn downcast_ref<T: EventLoop>(&self) -> Option<&T> {
        self.as_any()?.downcast_ref()
    }

    /// Returns true if tasks make progress while no thread drives the loop, on the executor's own
    /// threads.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// if !event_loop.is_self_driving() {
    ///     println!("spawned tasks wait until somebody runs the loop");
    /// }
    /// # }
    /// ```
    pub fn is_self_driving(&self) -> bool {
        self.state().is_self_driving()
    }

    /// Returns true while any thread runs the loop.
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

    /// Returns the current time of the loop's clock, which is monotonic.
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
        self.state().ready().now()
    }

    /// Pauses the loop's clock: [`time`](#method.time) stands still and, when everything else is
    /// idle, jumps to the next deadline that a task or callback waits for.
    ///
    /// For tests: hours pass in no time, and in the right order. All sleeps, intervals and timeouts
    /// of this loop follow the clock, also those that were waiting already. Sockets, blocking jobs
    /// and children go on as ever; while a job runs or a task waits for a child, time does not
    /// jump. The executor's own [`timer`](EventLoop::timer) does not follow. Pauses nest: time goes
    /// on after as many calls of [`resume`](#method.resume). Other loops are not affected.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`], and changes nothing, if the loop can't know when
    /// everything is idle ([`pause_without_jumping`](#method.pause_without_jumping) works there),
    /// and [`ErrorKind::LoopClosed`] if the loop was closed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.pause()?;
    /// assert_eq!(event_loop.time(), event_loop.time());
    /// event_loop.resume()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause(self: &Arc<Self>) -> Result<(), Error> {
        self.pause_clock(true)
    }

    /// Like [`pause`](#method.pause), but works on every loop: time moves by
    /// [`advance`](#method.advance) only.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// event_loop.pause_without_jumping()?;
    /// let before = event_loop.time();
    /// event_loop.run_until_complete(event_loop.advance(Duration::from_secs(3600)))??;
    /// assert_eq!(event_loop.time() - before, Duration::from_secs(3600));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_without_jumping(self: &Arc<Self>) -> Result<(), Error> {
        self.pause_clock(false)
    }

    /// Undoes one [`pause`](#method.pause). After the last one, time goes on from where it stands.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotPaused`] if the clock is not paused.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// assert!(event_loop.resume().is_err()); // it is not paused
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(&self) -> Result<(), Error> {
        self.resume_clock()
    }

    /// Moves the time of a paused loop forward by `duration`.
    ///
    /// Wakes the tasks whose deadlines are passed, in the order of their deadlines; among equal
    /// deadlines, the one that began to wait first is woken first. Time stops at each deadline
    /// until the woken tasks wait again. Tasks that are ready run first, even if the duration is
    /// zero.
    ///
    /// # Errors
    /// Awaiting it returns [`ErrorKind::NotPaused`] if the clock is not paused, or is resumed
    /// meanwhile, and [`ErrorKind::InvalidInput`] for a time that no clock can represent.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// event_loop.pause()?;
    /// event_loop.run_until_complete(event_loop.advance(Duration::from_secs(60)))??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&self, duration: Duration) -> Advance {
        Advance::new(self.state(), duration)
    }

    /// Runs the loop on this thread until `future` completes, and returns its output.
    ///
    /// Other tasks make progress meanwhile. After that they stay, suspended, until the next run (on
    /// a loop with its own threads they go on).
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed; [`ErrorKind::AlreadyRunning`] if
    /// this or another thread runs the loop; [`ErrorKind::OtherLoopRunning`] if another loop runs
    /// on this thread; [`ErrorKind::StoppedBeforeComplete`] after [`stop`](#method.stop), and
    /// [`ErrorKind::Forked`] in a child that the future or a task has forked, in which cases
    /// `future` is dropped. In all other cases it was never polled.
    ///
    /// # Panics
    /// If `future` panics, the panic is resumed with its payload once the run is over. The loop
    /// stays usable.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let answer = event_loop.run_until_complete(async { 6 * 7 })?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn run_until_complete<F: Future>(self: &Arc<Self>, future: F) -> Result<F::Output, Error> {
        self.run_located(future, Location::caller())
    }

    /// Like [`run_until_complete`](#method.run_until_complete), for functions that wrap it.
    ///
    /// # Errors
    /// Returns the errors of [`run_until_complete`](#method.run_until_complete).
    #[doc(hidden)]
    pub fn run_located<F: Future>(
        self: &Arc<Self>,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<F::Output, Error> {
        let mut future = pin!(future);
        let mut result = None;
        let poll = |cx: &mut Context<'_>| {
            // Caught here, raised when the executor has returned: a panic never
            // unwinds through it.
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => result = Some(Ok(output)),
                Err(payload) => result = Some(Err(payload)),
            }
            Poll::Ready(())
        };
        let ran = self.run(poll, location);
        match result {
            Some(Ok(output)) => Ok(output),
            Some(Err(payload)) => resume_unwind(payload),
            None => ran.and(Err(ErrorKind::StoppedBeforeComplete.into())),
        }
    }

    /// Runs the loop on this thread until [`stop`](#method.stop) is called.
    ///
    /// If `stop` was called before, it runs one turn.
    ///
    /// # Errors
    /// Returns the errors of [`run_until_complete`](#method.run_until_complete), except
    /// [`ErrorKind::StoppedBeforeComplete`].
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let stopper = event_loop.clone();
    /// let _task = event_loop.spawn(async move { stopper.stop() });
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn run_forever(self: &Arc<Self>) -> Result<(), Error> {
        self.run(|_| Poll::Pending, Location::caller())
    }

    /// Runs one turn without waiting: everything that is ready now, and every timer that is due.
    /// For the host of another main loop; see `policy::Guest`.
    ///
    /// # Errors
    /// Returns the errors of [`run_forever`](#method.run_forever).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.call_soon(|| println!("in this turn"));
    /// event_loop.run_once()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn run_once(self: &Arc<Self>) -> Result<(), Error> {
        self.stop();
        self.run_forever()
    }

    /// Has `host` called, from any thread, when the loop has something to do while no thread runs
    /// it: at most once until the next run. Returns what
    /// [`become_guest`](EventLoop::become_guest) returns.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if the loop has threads of its own,
    /// [`ErrorKind::AlreadyRunning`] if it has a host already, and the errors of `become_guest`.
    #[cfg(any(unix, windows))]
    #[doc(hidden)]
    pub fn set_host(
        &self,
        host: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Option<crate::os::OwnedIo>, Error> {
        self.state().check_open()?;
        if self.is_self_driving() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the event loop {} can't be a guest of another main loop: it runs its tasks on threads, and needs none; call `spawn` on it, or use a loop for one thread, such as `TokioPolicy::current_thread()`",
                    self.name()
                ),
            ));
        }
        if !self.state().ready().set_host(host) {
            return Err(ErrorKind::AlreadyRunning.into());
        }
        self.become_guest()
    }

    /// Tells the host that there is something to do, unless it knows.
    #[doc(hidden)]
    pub fn tell_host(&self) {
        self.state().ready().tell_host();
    }

    /// Returns whether nothing is ready, and when the next timer is due.
    #[doc(hidden)]
    pub fn outlook(&self) -> (bool, Option<Instant>) {
        let ready = self.state().ready();
        let timers = [ready.next_alarm(), self.own_timer()];
        (ready.is_idle(), timers.into_iter().flatten().min())
    }

    fn pause_clock(&self, jumps: bool) -> Result<(), Error> {
        let state = self.state();
        state.check_open()?;
        if jumps && !self.knows_idle() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the event loop {} can't know when all of its executor is idle, so its time does not jump; use `policy::time::pause_without_jumping` and `advance`",
                    state.name()
                ),
            ));
        }
        if jumps && self.is_self_driving() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the event loop {} runs its tasks on threads, so its time does not jump; make it pausable before it has tasks (`Runner::new().pausable(true)`), or use `policy::time::pause_without_jumping` and `advance`",
                    state.name()
                ),
            ));
        }
        state.ready().pause(jumps)
    }

    fn resume_clock(&self) -> Result<(), Error> {
        self.state().ready().resume()
    }

    fn run(
        self: &Arc<Self>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<()>,
        location: &'static Location<'static>,
    ) -> Result<(), Error> {
        self.state().check_open()?;
        context::refuse_nesting(self)?;
        let _running = self.state().begin_run()?;
        let lane = Lane::new(self.state().ready());
        let mut main = pin!(Turn::new(self, &lane, poll, location));
        let driven = context::scope(self, || self.drive(main.as_mut()));
        // It was forked meanwhile: the run goes on in the parent.
        if self.state().is_forked() { Err(ErrorKind::Forked.into()) } else { driven }
    }

    /// Asks the run of this loop to end, from any thread. Does nothing on a closed loop. Several
    /// calls count as one.
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
        if !self.state().is_forked() {
            self.state().ready().stop();
        }
    }

    /// Closes the loop: drops the tasks that are left, and does not wait for blocking jobs. Closing
    /// it again does nothing.
    ///
    /// # Errors
    /// Returns [`ErrorKind::CloseWhileRunning`] if the loop is running, and changes nothing.
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

    /// Closes the loop in the order of asyncio's `run`: cancels the tasks that are left and waits
    /// for them, then waits for blocking jobs, for at most `limit`.
    ///
    /// # Errors
    /// Returns [`ErrorKind::CloseWhileRunning`] if the loop is running, and changes nothing.
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
        context::scope(self, || {
            self.state().heart().close_kept();
            self.shutdown(left());
            self.state().cancel_tasks();
        });
        let blocking_jobs = self.state().blocking().wait_finished(left());
        // Last: an executor that is dropped may end its threads.
        let executor = self.state().executor().replace(None);
        context::scope(self, || drop(executor));
        Ok(ShutdownReport { blocking_jobs })
    }
}
