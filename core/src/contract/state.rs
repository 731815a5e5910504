//! The state that every event loop has, whatever its executor.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::blocking::{Executor, Gauge};
use crate::heart::debug;
use crate::heart::exception::Handlers;
use crate::heart::{self, Outside, Ready};
use crate::io::Watches;
use crate::{Error, ErrorKind, LoopKind};

/// The identity of an event loop, never reused within a process.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// let (a, b) = (LoopState::new("a", LoopKind::Selector), LoopState::new("b", LoopKind::Selector));
/// assert_ne!(a.id(), b.id());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopId(u64);

/// The part that all event loops share: identity, name, and the state machine of running, stopping
/// and closing.
///
/// An adapter makes one for each of its loops and returns it from
/// [`EventLoop::state`](crate::EventLoop::state); the methods of `dyn EventLoop` do the rest.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// let state = LoopState::new("my-executor", LoopKind::Selector);
/// assert_eq!(state.name(), "my-executor");
/// assert!(!state.is_closed());
/// ```
pub struct LoopState {
    id: LoopId,
    name: String,
    kind: LoopKind,
    phase: AtomicU8,
    ready: Arc<Ready>,
    handlers: Handlers,
    blocking: Gauge,
    watches: Watches,
    /// Goes with the loop: what others keep for it goes when they notice.
    alive: Arc<()>,
    executor: Executor,
    is_adopted: bool,
}

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const CLOSED: u8 = 2;

impl LoopState {
    /// Makes the state of a new loop. `name` is the executor and its flavour, in the form of
    /// `policy::from_name`: `tokio:multi_thread`.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(!state.is_running() && !state.is_closed());
    /// ```
    pub fn new(name: impl Into<String>, kind: LoopKind) -> Self {
        Self::with(name.into(), kind, true)
    }

    /// Makes the state of a new loop whose executor has threads, and runs the loop's tasks there
    /// even while no thread drives the loop: see [`EventLoop::submit`](crate::EventLoop::submit).
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::self_driving("my-executor:multi_thread", LoopKind::Selector);
    /// assert!(state.is_self_driving() && !state.is_running());
    /// ```
    pub fn self_driving(name: impl Into<String>, kind: LoopKind) -> Self {
        Self::with(name.into(), kind, false)
    }

    fn with(name: String, kind: LoopKind, runs_tasks: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: LoopId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name,
            kind,
            phase: AtomicU8::new(IDLE),
            ready: Ready::new(runs_tasks, debug::from_env()),
            handlers: Handlers::default(),
            blocking: Gauge::default(),
            watches: Watches::default(),
            alive: Arc::new(()),
            executor: Executor::default(),
            is_adopted: false,
        }
    }

    /// Makes the state of a loop that other code runs for as long as it lives: an adopted runtime.
    /// It reports that it is running, so it can be neither run nor closed;
    /// [`mark_closed`](Self::mark_closed) ends it.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::always_running("adopted", LoopKind::Selector);
    /// assert!(state.is_running());
    /// state.mark_closed();
    /// assert!(state.is_closed());
    /// ```
    pub fn always_running(name: impl Into<String>, kind: LoopKind) -> Self {
        let mut state = Self::self_driving(name, kind);
        state.phase = AtomicU8::new(RUNNING);
        state.is_adopted = true;
        state
    }

    /// Returns the identity of the loop.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let one = LoopState::new("my-executor", LoopKind::Selector);
    /// let other = LoopState::new("my-executor", LoopKind::Selector);
    /// assert_ne!(one.id(), other.id());
    /// ```
    #[inline]
    pub fn id(&self) -> LoopId {
        self.id
    }

    /// Returns the name of the loop.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert_eq!(state.name(), "my-executor");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the loop is a selector or a proactor.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert_eq!(state.kind(), LoopKind::Selector);
    /// ```
    pub fn kind(&self) -> LoopKind {
        self.kind
    }

    /// Returns true while any thread runs the loop.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(!state.is_running()); // only `run_until_complete` and `run_forever` run it
    /// ```
    #[inline]
    pub fn is_running(&self) -> bool {
        self.phase.load(Ordering::Acquire) == RUNNING && !self.is_forked()
    }

    /// Returns true once the loop was closed.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(!state.is_closed());
    /// state.mark_closed();
    /// assert!(state.is_closed());
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == CLOSED
    }

    /// Returns true if tasks make progress while no thread drives the loop, on the executor's own
    /// threads.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// assert!(!LoopState::new("my-executor", LoopKind::Selector).is_self_driving());
    /// ```
    #[inline]
    pub fn is_self_driving(&self) -> bool {
        !self.ready.runs_tasks()
    }

    /// Returns the count of the loop's blocking jobs.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert_eq!(state.blocking().wait_finished(std::time::Duration::ZERO), 0);
    /// ```
    pub fn blocking(&self) -> &Gauge {
        &self.blocking
    }

    /// Marks work outside the loop: while the returned value lives, time does not jump, even if the
    /// clock is paused.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let child = state.outside();
    /// # drop(child);
    /// ```
    pub fn outside(&self) -> Outside {
        Outside::new(&self.ready)
    }

    /// Makes the thread that drives the loop run its tasks, even if the executor has threads: the
    /// clock can then be paused, and jumps. Call it before the loop has any task.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if other code runs the loop, and
    /// [`ErrorKind::AlreadyRunning`] if the loop is running.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::self_driving("my-executor:multi_thread", LoopKind::Selector);
    /// state.make_pausable()?;
    /// assert!(!state.is_self_driving());
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn make_pausable(&self) -> Result<(), Error> {
        self.check_open()?;
        if self.is_adopted {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "somebody else runs this event loop, so its clock can't be paused; make a loop of a policy",
            ));
        }
        if self.is_running() {
            return Err(ErrorKind::AlreadyRunning.into());
        }
        self.ready.run_tasks();
        Ok(())
    }

    /// Returns an error if the loop can't be used.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, and [`ErrorKind::Forked`] in a
    /// child of `fork`.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(state.check_open().is_ok());
    /// state.mark_closed();
    /// assert_eq!(state.check_open().unwrap_err().kind(), policy_core::ErrorKind::LoopClosed);
    /// ```
    #[inline]
    pub fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(ErrorKind::LoopClosed.into());
        }
        if self.is_forked() {
            return Err(ErrorKind::Forked.into());
        }
        Ok(())
    }

    /// Returns true in a child of `fork`, which has the loop's memory but none of its threads.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(!state.is_forked());
    /// ```
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.ready.is_forked()
    }

    /// Returns what can no longer be upgraded when the loop has gone.
    pub(crate) fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    /// Returns the callbacks of the loop's selector.
    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    /// Returns true if somebody else runs the loop for as long as it lives.
    pub(crate) fn is_adopted(&self) -> bool {
        self.is_adopted
    }

    pub(crate) fn ready(&self) -> &Arc<Ready> {
        &self.ready
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Goes from idle to running, until the guard is dropped.
    pub(crate) fn begin_run(&self) -> Result<Running<'_>, Error> {
        self.check_open()?;
        match self.phase.compare_exchange(IDLE, RUNNING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(Running(self)),
            Err(CLOSED) => Err(ErrorKind::LoopClosed.into()),
            Err(_) => Err(ErrorKind::AlreadyRunning.into()),
        }
    }

    /// Goes from idle to closed. Returns false if the loop was closed before.
    pub(crate) fn begin_close(&self) -> Result<bool, Error> {
        if self.is_forked() {
            // Whoever ran the loop at the time of the fork does so in the parent.
            return Ok(self.phase.swap(CLOSED, Ordering::AcqRel) != CLOSED);
        }
        match self.phase.compare_exchange(IDLE, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.ready.clock().close();
                Ok(true)
            }
            Err(CLOSED) => Ok(false),
            Err(_) => Err(ErrorKind::CloseWhileRunning.into()),
        }
    }

    /// Marks the loop closed, whatever its state: for an adapter whose executor was shut down by
    /// other code. Returns false if it was closed before.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(state.mark_closed());
    /// assert!(!state.mark_closed());
    /// ```
    pub fn mark_closed(&self) -> bool {
        let closed = self.phase.swap(CLOSED, Ordering::AcqRel) != CLOSED;
        if closed && !self.is_forked() {
            self.ready.close();
        }
        closed
    }

    /// Schedules `f` to be called on the thread that drives the loop, in order with its callbacks;
    /// `f` is dropped once the loop is closed. For an adapter that has work for that thread.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// state.post(|| println!("on the thread that drives the loop"));
    /// ```
    #[track_caller]
    pub fn post(&self, f: impl FnOnce() + Send + 'static) {
        let (entry, _handle) = heart::new(f, Location::caller());
        self.ready.expect();
        if let Err(refused) = self.ready.call(entry) {
            drop(refused);
        }
    }

    /// Cancels the loop's tasks that [`EventLoop::drive`](crate::EventLoop::drive) runs, at once;
    /// on a closed loop. Only for an adapter that must drop its tasks before something of its own;
    /// otherwise the closing loop does it.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// state.mark_closed();
    /// state.cancel_tasks();
    /// assert!(state.is_closed());
    /// ```
    pub fn cancel_tasks(&self) {
        self.ready.close();
        heart::close_local(self.id);
    }

    /// Marks the loop closed, whatever its state: for an adapter's `Drop`, when no thread can run
    /// the loop any more. Returns true if there is something to shut down: false if the loop was
    /// closed before, and in a child of `fork`, which has none of its threads.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(state.close_on_drop());
    /// assert!(!state.close_on_drop());
    /// ```
    pub fn close_on_drop(&self) -> bool {
        let open = self.mark_closed() && !self.is_forked();
        if open {
            heart::close_local(self.id);
            log::warn!("event loop {} was dropped open; call `close` on it", self.name);
        }
        open
    }
}

impl Drop for LoopState {
    fn drop(&mut self) {
        if self.is_forked() {
            return self.ready.forget();
        }
        // Here, for all that the adapter has left: its tasks hold the queue, and the
        // queue holds them.
        self.close_on_drop();
    }
}

impl fmt::Debug for LoopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopState")
            .field("id", &self.id.0)
            .field("name", &self.name)
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("debug", &self.ready.is_debug())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Running<'a>(&'a LoopState);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Unless it was marked closed meanwhile: that stays.
        let _closed =
            self.0.phase.compare_exchange(RUNNING, IDLE, Ordering::Release, Ordering::Relaxed);
    }
}
