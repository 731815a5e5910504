//! What a loop's state has of the heart, and what can be done with it.

use std::any::Any;
use std::fmt;
use std::panic::Location;
#[cfg(feature = "proactor")]
use std::sync::Weak;
use std::sync::{Arc, OnceLock};

use super::blocking::{Executor, Gauge};
use super::callback;
use super::clock::Outside;
use super::debug;
use super::exception::Handlers;
use super::local_tasks::close as close_local;
use super::ready::Ready;
use crate::{Error, ErrorKind, LoopState};

/// What makes a loop run: the part of its state that the contract does not know.
pub(crate) struct Heart {
    ready: Arc<Ready>,
    handlers: Handlers,
    blocking: Gauge,
    /// Goes with the loop: what others keep for it goes when they notice.
    #[cfg(feature = "proactor")]
    alive: Arc<()>,
    executor: Executor,
    kept: OnceLock<Box<dyn Kept>>,
}

/// What the floor above keeps with a loop, and gives up when it closes.
pub(crate) trait Kept: Any + Send + Sync {
    /// Gives it up, and all that is still to come.
    fn close(&self);

    fn as_any(&self) -> &dyn Any;
}

/// In the place of what nobody kept by the time the loop closed.
struct Closed;

impl Kept for Closed {
    fn close(&self) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Heart {
    pub(crate) fn new(runs_tasks: bool) -> Self {
        Self {
            ready: Ready::new(runs_tasks, debug::from_env()),
            handlers: Handlers::default(),
            blocking: Gauge::default(),
            #[cfg(feature = "proactor")]
            alive: Arc::new(()),
            executor: Executor::default(),
            kept: OnceLock::new(),
        }
    }

    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.ready.is_forked()
    }

    pub(crate) fn close_clock(&self) {
        self.ready.clock().close();
    }

    pub(crate) fn close(&self) {
        self.ready.close();
    }

    /// Gives up what is kept, and lets nothing more be kept.
    pub(super) fn close_kept(&self) {
        self.kept.get_or_init(|| Box::new(Closed)).close();
    }
}

impl fmt::Debug for Heart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heart").field("debug", &self.ready.is_debug()).finish_non_exhaustive()
    }
}

impl LoopState {
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
        !self.heart().ready.runs_tasks()
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
        &self.heart().blocking
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
        Outside::new(&self.heart().ready)
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
        if self.is_adopted() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "somebody else runs this event loop, so its clock can't be paused; make a loop of a policy",
            ));
        }
        if self.is_running() {
            return Err(ErrorKind::AlreadyRunning.into());
        }
        self.heart().ready.run_tasks();
        Ok(())
    }

    /// Returns what can no longer be upgraded when the loop has gone.
    #[cfg(feature = "proactor")]
    pub(crate) fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.heart().alive)
    }

    pub(crate) fn ready(&self) -> &Arc<Ready> {
        &self.heart().ready
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.heart().handlers
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.heart().executor
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
        let (entry, _handle) = callback::new(f, Location::caller());
        self.heart().ready.expect();
        if let Err(refused) = self.heart().ready.call(entry) {
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
        self.heart().ready.close();
        close_local(self.id());
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
            close_local(self.id());
            log::warn!("event loop {} was dropped open; call `close` on it", self.name());
        }
        open
    }

    /// Returns what the floor above keeps with the loop, made at the first call. `None` once the
    /// loop was closed without it. There is one floor above that keeps something: `io`.
    pub(crate) fn kept<T: Kept + Default>(&self) -> Option<&T> {
        self.heart().kept.get_or_init(|| Box::<T>::default()).as_any().downcast_ref()
    }
}

impl Drop for LoopState {
    fn drop(&mut self) {
        if self.is_forked() {
            return self.heart().ready.forget();
        }
        // Here, for all that the adapter has left: its tasks hold the queue, and the
        // queue holds them.
        self.close_on_drop();
    }
}
