//! A loop for several futures in a row.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{
    CurrentLoop, Error, ErrorKind, EventLoop, EventLoopPolicy, IntoPolicy, ShutdownReport, registry,
};

use crate::{ambient, interrupt};

/// Runs futures one after the other on one event loop (asyncio's `Runner`).
///
/// The first [`run`](Self::run) or [`get_loop`](Self::get_loop) makes the loop, which is the
/// current one of this context until [`close`](Self::close). Tasks that a future leaves behind stay
/// for the next one. Dropping the runner closes it. It stays on its thread.
///
/// ```
/// let mut runner = policy::Runner::new();
/// let task = runner.run(async { policy::spawn(async { 1 }) })?;
/// assert_eq!(runner.run(task)?.unwrap(), 1);
/// runner.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct Runner {
    policy: Option<PolicyRef>,
    debug: Option<bool>,
    limit: Duration,
    handle_sigint: bool,
    pausable: bool,
    state: State,
    /// The loop is the current one of this thread's context.
    _stays_here: PhantomData<*const ()>,
}

#[derive(Debug)]
enum State {
    Created,
    Open {
        event_loop: Arc<dyn EventLoop>,
        policy: PolicyRef,
        /// The loop that the context had before.
        former: Option<Arc<dyn EventLoop>>,
    },
    Closed,
}

/// How long blocking jobs and worker threads are waited for: asyncio's 300 s.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(300);

impl Runner {
    /// Makes a runner with the policy that is set when it first runs.
    ///
    /// ```
    /// let mut runner = policy::Runner::new();
    /// assert_eq!(runner.run(async { 1 })?, 1);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new() -> Self {
        ambient::know_foreign_runtimes();
        Self {
            policy: None,
            debug: None,
            limit: SHUTDOWN_LIMIT,
            handle_sigint: true,
            pausable: false,
            state: State::Created,
            _stays_here: PhantomData,
        }
    }

    /// Makes a runner with `policy`, which is also the policy of this thread while the runner runs.
    /// It does not change the process's policy; `None` uses the process's policy.
    ///
    /// ```
    /// let mut runner = policy::Runner::with_policy(policy::DefaultEventLoopPolicy::new());
    /// assert_eq!(runner.run(async { 1 })?, 1);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn with_policy(policy: impl IntoPolicy) -> Self {
        let mut runner = Self::new();
        runner.policy = policy.into_policy().map(PolicyRef);
        runner
    }

    /// Turns the loop's debug mode on or off; by default the loop decides.
    ///
    /// ```
    /// let mut runner = policy::Runner::new().debug(true);
    /// assert!(runner.get_loop()?.get_debug());
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = Some(debug);
        self
    }

    /// Sets how long [`close`](Self::close) waits for blocking jobs and worker threads; 300 seconds
    /// by default.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut runner = policy::Runner::new().shutdown_limit(Duration::from_secs(1));
    /// assert_eq!(runner.run(async { 7 })?, 7);
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn shutdown_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the loop's tasks on this thread, even if its executor has threads, so that its clock
    /// can be paused and jumps (`policy::time::pause`): for tests.
    ///
    /// A loop that runs its tasks on threads can't know when all of them are idle. The setting
    /// applies when the runner makes its loop, at the first run.
    ///
    /// ```
    /// use policy::Runner;
    /// use policy::time::{Duration, pause, sleep};
    ///
    /// let mut runner = Runner::new().pausable(true);
    /// runner.run(async {
    ///     pause()?;
    ///     sleep(Duration::from_secs(3600)).await; // takes no time
    ///     Ok::<(), policy::Error>(())
    /// })??;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn pausable(mut self, pausable: bool) -> Self {
        self.pausable = pausable;
        self
    }

    /// Sets whether Ctrl-C ends a run; it does by default.
    ///
    /// As in asyncio, it does so only if nothing else handles SIGINT: on the main thread, while the
    /// signal has its default action, and as long as the program neither listens to it nor installs
    /// its own handler. The first Ctrl-C then makes [`run`](Self::run) drop its future and return
    /// [`ErrorKind::Interrupted`]; a second one, before or after that, ends the process at once.
    /// Not on Windows.
    ///
    /// ```
    /// let mut runner = policy::Runner::new().handle_sigint(false);
    /// runner.run(async {})?; // Ctrl-C would have ended the process
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn handle_sigint(mut self, handle_sigint: bool) -> Self {
        self.handle_sigint = handle_sigint;
        self
    }

    /// Runs `future` to completion, and returns its output.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Interrupted`] after the first Ctrl-C, see
    /// [`handle_sigint`](Self::handle_sigint); [`ErrorKind::RunnerClosed`] if the runner was
    /// closed; [`ErrorKind::OtherLoopRunning`] inside a running loop, without making a loop; the
    /// error of making the loop; or the errors of
    /// [`run_until_complete`](trait.EventLoop.html#method.run_until_complete).
    ///
    /// # Panics
    /// If `future` panics, the panic is resumed with its payload. The runner stays usable.
    ///
    /// ```
    /// let mut runner = policy::Runner::new();
    /// assert_eq!(runner.run(async { 1 })? + runner.run(async { 2 })?, 3);
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&mut self, future: F) -> Result<F::Output, Error> {
        // Before a loop is made: a refused run has no side effects.
        if ambient::is_polling() {
            return Err(Error::new(
                ErrorKind::OtherLoopRunning,
                "an event loop is running on this thread, and runs can't be nested; `.await` the future, or run it on a thread of its own",
            ));
        }
        let (event_loop, location) = (self.get_loop()?, Location::caller());
        let run = || interrupt::run(&event_loop, self.handle_sigint, location, future);
        match &self.policy {
            Some(policy) => registry::scoped(policy.0.clone(), run),
            None => run(),
        }
    }

    /// Returns the loop; makes it first if there is none yet.
    ///
    /// # Errors
    /// Returns [`ErrorKind::RunnerClosed`] if the runner was closed, or the error of making the
    /// loop.
    ///
    /// ```
    /// let mut runner = policy::Runner::new();
    /// assert!(!runner.get_loop()?.is_running());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn get_loop(&mut self) -> Result<Arc<dyn EventLoop>, Error> {
        match &self.state {
            State::Open { event_loop, .. } => Ok(event_loop.clone()),
            State::Closed => Err(ErrorKind::RunnerClosed.into()),
            State::Created => self.open(),
        }
    }

    fn open(&mut self) -> Result<Arc<dyn EventLoop>, Error> {
        let policy =
            self.policy.clone().unwrap_or_else(|| PolicyRef(crate::get_event_loop_policy()));
        let event_loop = policy.0.new_event_loop()?;
        // asyncio forgets a loop that was set before; we put it back (B42). A policy
        // that can't tell has none to put back.
        let former = match policy.0.current() {
            Ok(CurrentLoop::Set(former)) => Some(former),
            _ => None,
        };
        if let Err(error) = policy.0.set_event_loop(Some(event_loop.clone())) {
            event_loop.close()?;
            return Err(error);
        }
        if let Some(debug) = self.debug {
            event_loop.set_debug(debug);
        }
        if self.pausable {
            event_loop.state().make_pausable()?;
        }
        self.state = State::Open { event_loop: event_loop.clone(), policy, former };
        Ok(event_loop)
    }

    /// Closes the loop: cancels the remaining tasks and waits for them, then waits for blocking
    /// jobs, for at most the [`shutdown_limit`](Self::shutdown_limit). Closing it again, or before
    /// anything ran, does nothing.
    ///
    /// Restores the loop that the context had before; if it had none, clears it, like asyncio.
    ///
    /// # Errors
    /// Returns [`ErrorKind::CloseWhileRunning`] if the loop is running.
    ///
    /// ```
    /// let mut runner = policy::Runner::new();
    /// runner.run(async {})?;
    /// let report = runner.close()?;
    /// assert_eq!(report.blocking_jobs, 0);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn close(&mut self) -> Result<ShutdownReport, Error> {
        let (event_loop, policy, former) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Open { event_loop, policy, former } => (event_loop, policy, former),
            // Closed before its first run: it may still be used (asyncio, B71).
            State::Created => {
                self.state = State::Created;
                return Ok(ShutdownReport::default());
            }
            State::Closed => return Ok(ShutdownReport::default()),
        };
        let former = former.filter(|former| !former.is_closed());
        let restored = policy.0.set_event_loop(former);
        let report = event_loop.close_within(self.limit)?;
        if report.blocking_jobs > 0 {
            log::warn!(
                "{} blocking jobs of event loop {} did not finish within {:?}; they run on",
                report.blocking_jobs,
                event_loop.name(),
                self.limit
            );
        }
        restored.map(|()| report)
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            log::warn!("closing the runner: {error}");
        }
    }
}

/// A policy, which need not be `Debug`.
#[derive(Clone)]
struct PolicyRef(Arc<dyn EventLoopPolicy>);

impl std::fmt::Debug for PolicyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventLoopPolicy")
    }
}
