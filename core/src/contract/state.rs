//! The state that every event loop has, whatever its executor.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::heart::Heart;
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
    is_adopted: bool,
    is_borrowed: bool,
    /// What makes it run. The contract asks it three things and knows nothing of it; its own
    /// methods of this type are in `heart/state.rs`.
    heart: Heart,
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
            is_adopted: false,
            is_borrowed: false,
            heart: Heart::new(runs_tasks),
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
        state.is_borrowed = true;
        state
    }

    /// Notes that the executor belongs to other code, which may have stopped to drive it: a loop on
    /// a runtime's handle. A loop that is [`always_running`](Self::always_running) is on one, too.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::self_driving("my-executor:handle", LoopKind::Selector).borrowed();
    /// assert!(state.is_borrowed());
    /// ```
    #[must_use]
    pub fn borrowed(mut self) -> Self {
        self.is_borrowed = true;
        self
    }

    /// Returns true if the executor belongs to other code, which may have stopped to drive it.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// assert!(!LoopState::new("my-executor", LoopKind::Selector).is_borrowed());
    /// ```
    pub fn is_borrowed(&self) -> bool {
        self.is_borrowed
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
        self.heart.is_forked()
    }

    /// Returns what makes it run.
    pub(crate) fn heart(&self) -> &Heart {
        &self.heart
    }

    /// Returns true if somebody else runs the loop for as long as it lives.
    pub(crate) fn is_adopted(&self) -> bool {
        self.is_adopted
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
                self.heart.close_clock();
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
            self.heart.close();
        }
        closed
    }
}

impl fmt::Debug for LoopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopState")
            .field("id", &self.id.0)
            .field("name", &self.name)
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("heart", &self.heart)
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
