//! The clock of a loop: the system's, until a caller pauses it.
//!
//! While a clock is paused, time stands still for its loop. It moves when
//! [`advance`](crate::EventLoop#method.advance) is called or, on a loop that was paused with jumps,
//! to the next deadline when everything is idle: that is when the run would go to sleep, after a
//! look at the reactor that found nothing. Deadlines are in the loop's time, so a waiting timer
//! need not know about this.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::*};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Ready;
use crate::sync::{Mutex, wake};
use crate::{Error, ErrorKind};

/// How many clocks do not show the system's time: most programs never have one, and find
/// that out by one relaxed load.
static UNREAL: AtomicUsize = AtomicUsize::new(0);

/// Returns true if every clock in this process shows the system's time.
///
/// ```
/// assert!(policy_core::clock::all_real());
/// ```
#[inline]
pub fn all_real() -> bool {
    UNREAL.load(Relaxed) == 0
}

/// Shows the system's time.
const REAL: u8 = 0;
/// Time stands still.
const PAUSED: u8 = 1;
/// Time goes on, from where it had come to.
const SHIFTED: u8 = 2;

#[derive(Default)]
pub(crate) struct Clock {
    mode: AtomicU8,
    /// What time must not jump over: children that are waited for, blocking jobs.
    outside: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// A moment of the loop's time, and the same by the system's. While the clock is
    /// paused the first is now.
    shift: Option<(Instant, Instant)>,
    /// Whether time jumps, for each pause that was not resumed.
    pauses: Vec<bool>,
    advances: VecDeque<Request>,
}

/// Somebody waits for the time to be moved.
struct Request {
    by: Duration,
    /// Counted from when its turn comes.
    target: Option<Instant>,
    status: Arc<Status>,
    waker: Waker,
}

/// What became of a request.
#[derive(Default)]
pub(super) struct Status(AtomicU8);

const DONE: u8 = 1;
const OVER: u8 = 2;

impl Status {
    pub(super) fn get(&self) -> Option<Result<(), Error>> {
        match self.0.load(Acquire) {
            0 => None,
            DONE => Some(Ok(())),
            _ => Some(Err(ErrorKind::NotPaused.into())),
        }
    }
}

/// What a step of the clock leads to.
pub(super) enum Step {
    /// Nobody wants time to move.
    Stay,
    /// Timers are due.
    Fire,
    /// An advance is done.
    Wake(Waker),
}

impl Clock {
    #[inline]
    pub(super) fn now(&self) -> Instant {
        if self.mode.load(Acquire) == REAL { Instant::now() } else { self.state.lock().now() }
    }

    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.mode.load(Acquire) == PAUSED
    }

    /// Returns when it will be `deadline`, by the system's clock; `None` while time
    /// stands.
    pub(super) fn real(&self, deadline: Instant) -> Option<Instant> {
        match self.mode.load(Acquire) {
            REAL => return Some(deadline),
            PAUSED => return None,
            _ => {}
        }
        let Some((ours, real)) = self.state.lock().shift else { return Some(deadline) };
        let there = match deadline.checked_duration_since(ours) {
            Some(ahead) => real.checked_add(ahead),
            None => real.checked_sub(ours.duration_since(deadline)),
        };
        Some(there.unwrap_or(deadline))
    }

    pub(super) fn pause(&self, jumps: bool) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ErrorKind::LoopClosed.into());
        }
        if state.pauses.is_empty() {
            let now = state.now();
            if state.shift.is_none() {
                UNREAL.fetch_add(1, SeqCst);
            }
            state.shift = Some((now, now));
            self.mode.store(PAUSED, SeqCst);
        }
        state.pauses.push(jumps);
        Ok(())
    }

    pub(super) fn resume(&self) -> Result<(), Error> {
        let ended = {
            let mut state = self.state.lock();
            if state.pauses.pop().is_none() {
                return Err(ErrorKind::NotPaused.into());
            }
            if !state.pauses.is_empty() {
                return Ok(());
            }
            self.end(&mut state)
        };
        ended.into_iter().for_each(Request::over);
        Ok(())
    }

    pub(crate) fn close(&self) {
        let ended = {
            let mut state = self.state.lock();
            state.closed = true;
            state.pauses.clear();
            self.end(&mut state)
        };
        ended.into_iter().for_each(Request::over);
    }

    /// Lets time go on from here.
    fn end(&self, state: &mut State) -> VecDeque<Request> {
        if self.is_paused() {
            state.shift = state.shift.map(|(now, _)| (now, Instant::now()));
            self.mode.store(SHIFTED, SeqCst);
        }
        std::mem::take(&mut state.advances)
    }

    /// Asks for time to be moved.
    pub(super) fn ask(&self, by: Duration, waker: &Waker) -> Result<Arc<Status>, Error> {
        let waker = waker.clone();
        let mut state = self.state.lock();
        if state.pauses.is_empty() {
            return Err(ErrorKind::NotPaused.into());
        }
        if state.now().checked_add(by).is_none() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "no clock can hold a time so far ahead; advance by less",
            ));
        }
        let status = Arc::<Status>::default();
        state.advances.push_back(Request { by, target: None, status: status.clone(), waker });
        Ok(status)
    }

    /// Leaves another waker with a request. Returns true if it is the next to be served.
    pub(super) fn is_next(&self, status: &Arc<Status>, waker: &Waker) -> bool {
        // Before the lock, as what is dropped after it: either may run any code.
        let mut waker = waker.clone();
        let mut state = self.state.lock();
        let at = state.advances.iter().position(|it| Arc::ptr_eq(&it.status, status));
        if let Some(request) = at.and_then(|at| state.advances.get_mut(at)) {
            std::mem::swap(&mut request.waker, &mut waker);
        }
        drop(state);
        drop(waker);
        at == Some(0)
    }

    /// Takes a request back.
    pub(super) fn withdraw(&self, status: &Arc<Status>) {
        let mut state = self.state.lock();
        let at = state.advances.iter().position(|it| Arc::ptr_eq(&it.status, status));
        let request = at.and_then(|at| state.advances.remove(at));
        drop(state);
        drop(request);
    }

    /// Moves time towards what the next request wants: to `next`, if a timer is due
    /// before that.
    pub(super) fn advance(&self, next: Option<Instant>) -> Step {
        let mut state = self.state.lock();
        let Some(now) = state.shift.map(|(now, _)| now).filter(|_| self.is_paused()) else {
            return Step::Stay;
        };
        let Some(request) = state.advances.front_mut() else { return Step::Stay };
        let target =
            *request.target.get_or_insert_with(|| now.checked_add(request.by).unwrap_or(now));
        if let Some(next) = next.filter(|next| *next <= target) {
            state.go_to(next);
            return Step::Fire;
        }
        state.go_to(target);
        match state.advances.pop_front() {
            Some(request) => Step::Wake(request.end(DONE)),
            None => Step::Stay,
        }
    }

    /// Returns true if time may jump once everything is idle.
    pub(super) fn may_jump(&self) -> bool {
        self.is_paused()
            && self.outside.load(SeqCst) == 0
            && self.state.lock().pauses.last().is_some_and(|jumps| *jumps)
    }

    pub(super) fn jump(&self, to: Instant) {
        if self.may_jump() {
            self.state.lock().go_to(to);
        }
    }

    pub(super) fn enter_outside(&self) {
        self.outside.fetch_add(1, SeqCst);
    }

    /// Returns true if it was the last, and time may jump now.
    pub(super) fn leave_outside(&self) -> bool {
        self.outside.fetch_sub(1, SeqCst) == 1 && self.is_paused()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Most never were paused; and after a `fork` the lock may be held for ever.
        if *self.mode.get_mut() != REAL {
            UNREAL.fetch_sub(1, SeqCst);
        }
    }
}

impl State {
    fn now(&self) -> Instant {
        match self.shift {
            None => Instant::now(),
            Some((now, _)) if !self.pauses.is_empty() => now,
            Some((ours, real)) => ours.checked_add(real.elapsed()).unwrap_or(ours),
        }
    }

    /// Never back.
    fn go_to(&mut self, to: Instant) {
        self.shift = self.shift.map(|(now, real)| (now.max(to), real));
    }
}

impl Request {
    fn end(self, how: u8) -> Waker {
        self.status.0.store(how, Release);
        self.waker
    }

    fn over(self) {
        wake(self.end(OVER));
    }
}

/// Work outside a loop, over which its time must not jump.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// let state = LoopState::new("my-executor", LoopKind::Selector);
/// let child = state.outside(); // until it is dropped, a paused clock does not jump
/// # drop(child);
/// ```
#[must_use = "the work counts as done when this is dropped"]
pub struct Outside {
    ready: Arc<Ready>,
}

impl Outside {
    pub(crate) fn new(ready: &Arc<Ready>) -> Self {
        ready.clock().enter_outside();
        Self { ready: ready.clone() }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.ready.clock().leave_outside() {
            self.ready.nudge();
        }
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}
