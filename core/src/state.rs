//! What every event loop is and keeps, whatever its executor.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use crate::blocking::Gauge;
use crate::{Error, ErrorKind, LoopKind};

/// The identity of an event loop: never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopId(u64);

/// The part that all event loops share: identity, name, and the state machine of
/// running, stopping and closing.
///
/// An adapter makes one for each of its loops and returns it from
/// [`EventLoop::state`](crate::EventLoop::state); the rest is done by the methods
/// of `dyn EventLoop`.
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
    stop: Stop,
    blocking: Gauge,
    #[cfg(unix)]
    generation: u64,
}

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const CLOSED: u8 = 2;

impl LoopState {
    /// Makes the state of a new loop. `name` is the executor and its flavour, as in
    /// `policy::from_name`: `tokio:multi_thread`.
    pub fn new(name: impl Into<String>, kind: LoopKind) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: LoopId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: name.into(),
            kind,
            phase: AtomicU8::new(IDLE),
            stop: Stop::default(),
            blocking: Gauge::default(),
            #[cfg(unix)]
            generation: crate::local::fork_generation(),
        }
    }

    /// Returns the identity of the loop.
    pub fn id(&self) -> LoopId {
        self.id
    }

    /// Returns the name of the loop.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the loop is a selector or a proactor.
    pub fn kind(&self) -> LoopKind {
        self.kind
    }

    /// Returns true while the loop is run, by any thread.
    pub fn is_running(&self) -> bool {
        self.phase.load(Ordering::Acquire) == RUNNING && !self.is_forked()
    }

    /// Returns true once the loop was closed.
    pub fn is_closed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == CLOSED
    }

    /// Returns the count of the loop's blocking jobs.
    pub fn blocking(&self) -> &Gauge {
        &self.blocking
    }

    /// Checks that the loop may be used.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`], and [`ErrorKind::Forked`] in a child of `fork`.
    pub fn check_open(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(ErrorKind::LoopClosed.into());
        }
        if self.is_forked() {
            return Err(ErrorKind::Forked.into());
        }
        Ok(())
    }

    /// Returns true in a child of `fork`, which has the loop's memory and none of
    /// its threads.
    pub fn is_forked(&self) -> bool {
        #[cfg(unix)]
        return self.generation != crate::local::fork_generation();
        #[cfg(not(unix))]
        false
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
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
        match self.phase.compare_exchange(IDLE, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(true),
            Err(CLOSED) => Ok(false),
            Err(_) => Err(ErrorKind::CloseWhileRunning.into()),
        }
    }

    /// Marks the loop closed, whatever it does: for an adapter's `Drop`, where
    /// nobody can run the loop any more. Returns false if it was closed before.
    pub fn close_on_drop(&self) -> bool {
        let open = self.phase.swap(CLOSED, Ordering::AcqRel) != CLOSED;
        if open {
            log::warn!("event loop {} was dropped open; call `close` on it", self.name);
        }
        open
    }
}

impl fmt::Debug for LoopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopState")
            .field("id", &self.id.0)
            .field("name", &self.name)
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Running<'a>(&'a LoopState);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.phase.store(IDLE, Ordering::Release);
    }
}

/// The wish that a run should end, from any thread.
#[derive(Default)]
pub(crate) struct Stop {
    asked: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Takes the wish back: a run that ends consumes it.
    pub(crate) fn clear(&self) {
        self.asked.store(false, Ordering::Release);
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn register(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }
}
