//! What a user calls: the methods of `dyn EventLoop`. They do the checks that are the
//! same for every executor, and then call what the adapter implements.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{EventLoop, LoopKind};
use crate::clock::Advance;
use crate::heart::{Lane, Turn};
use crate::{Error, ErrorKind, ProactorHandle, SelectorHandle, context};

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

    /// Returns what waits until descriptors are ready: `add_reader`, `readable` and so
    /// on.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the loop has no such thing.
    ///
    /// ```
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let _selector = event_loop.selector()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn selector(self: &Arc<Self>) -> Result<SelectorHandle, Error> {
        SelectorHandle::new(self.clone())
    }

    /// Returns what performs operations with buffers that they own: `read`, `write`,
    /// `accept` and so on. A loop that is a selector and no proactor has one that tries
    /// and waits.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the loop is neither.
    ///
    /// ```
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>, file: std::fs::File) -> std::io::Result<()> {
    /// let (read, buffer) = event_loop.proactor()?.read(&file.into(), vec![0; 4096]).await;
    /// println!("{} bytes: {buffer:?}", read?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn proactor(self: &Arc<Self>) -> Result<ProactorHandle, Error> {
        ProactorHandle::new(self.clone())
    }

    /// Returns the loop as the adapter's own type, for what only its loops have;
    /// `None` if it is another, or its adapter shows nothing.
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

    /// Returns true if tasks make progress while nobody drives the loop, on threads of
    /// its executor's own.
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
        self.state().ready().now()
    }

    /// Pauses the loop's clock: [`time`](#method.time) stands still, and when
    /// everything else is idle, jumps to the next deadline of whoever waits for one.
    ///
    /// For tests: hours pass in no time, and in the right order. All of this loop
    /// follows, what waited before, too: sleeps, intervals and timeouts. Sockets,
    /// blocking jobs and children go on as ever; while a job runs or a child is
    /// waited for, time does not jump. [`timer`](EventLoop::timer), the executor's
    /// own, does not follow. Pauses nest: time goes on after as many calls of
    /// [`resume`](#method.resume). Other loops are not concerned.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with nothing changed, if the loop can't know when
    /// everything is idle ([`pause_without_jumping`](#method.pause_without_jumping)
    /// works there); [`ErrorKind::LoopClosed`].
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

    /// As [`pause`](#method.pause), on every loop: time moves by
    /// [`advance`](#method.advance) only.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`].
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

    /// Takes back one [`pause`](#method.pause). With the last, time goes on, from where
    /// it has come to.
    ///
    /// # Errors
    /// [`ErrorKind::NotPaused`].
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

    /// Moves the time of a paused loop on by `duration`.
    ///
    /// Whoever waits for a deadline up to then is woken, in the order of deadlines
    /// and, among equal ones, of coming; at each deadline time stands until the tasks
    /// that were woken wait again. Tasks that have something to do come first: also
    /// for a duration of zero.
    ///
    /// # Errors
    /// Awaiting it gives [`ErrorKind::NotPaused`], also if the clock is resumed
    /// meanwhile; [`ErrorKind::InvalidInput`] for a time that no clock can hold.
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
    #[track_caller]
    pub fn run_until_complete<F: Future>(self: &Arc<Self>, future: F) -> Result<F::Output, Error> {
        self.run_located(future, Location::caller())
    }

    /// As [`run_until_complete`](#method.run_until_complete), for functions that wrap
    /// it.
    ///
    /// # Errors
    /// As [`run_until_complete`](#method.run_until_complete).
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
    #[track_caller]
    pub fn run_forever(self: &Arc<Self>) -> Result<(), Error> {
        self.run(|_| Poll::Pending, Location::caller())
    }

    /// Runs one turn, without waiting: what is ready now, and what is due. For the host
    /// of another main loop; see `policy::Guest`.
    ///
    /// # Errors
    /// As [`run_forever`](#method.run_forever).
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

    /// Has `host` called, from any thread, when there is something to do while nobody runs
    /// the loop: once until the next run.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the loop needs somebody who drives it to notice
    /// that, or has threads of its own; [`ErrorKind::AlreadyRunning`] if it has a host.
    #[doc(hidden)]
    pub fn set_host(&self, host: Box<dyn Fn() + Send + Sync>) -> Result<(), Error> {
        self.state().check_open()?;
        if self.is_self_driving() || !self.wakes_by_itself() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the event loop {} can't be a guest of another main loop: nothing wakes it while nobody drives it; use `DefaultEventLoopPolicy` or `SmolPolicy::current_thread()`",
                    self.name()
                ),
            ));
        }
        match self.state().ready().set_host(host) {
            true => Ok(()),
            false => Err(ErrorKind::AlreadyRunning.into()),
        }
    }

    /// Returns true if nothing is ready, and when the next timer is due.
    #[doc(hidden)]
    pub fn outlook(&self) -> (bool, Option<Instant>) {
        (self.state().ready().is_idle(), self.state().ready().next_alarm())
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
        if !self.state().is_forked() {
            self.state().ready().stop();
        }
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
        context::scope(self, || {
            self.state().watches().close();
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
