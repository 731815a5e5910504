//! The clock of a loop: the system's, until somebody pauses it.
//!
//! While a clock is paused, time stands still for its loop; it moves when
//! [`advance`](EventLoop#method.advance) says so, or, when everything else is idle,
//! jumps to the next deadline. How a loop knows that it is idle, on any executor:
//!
//! - Whatever it runs is *marked* while the clock is paused: each task, and the main
//!   future, is counted from being spawned or woken until it has been polled and
//!   waits again. Its wakers are wrapped for that. No executor has to be asked.
//! - *Outside work* is counted, too: blocking jobs, and what holds an [`Outside`]
//!   (children that are waited for).
//! - When both counts are zero, a byte makes a round trip through the loop's own
//!   reactor, and through its queue of tasks. What was ready before the byte was,
//!   has been seen when it comes back; if any task was polled meanwhile, another
//!   byte goes.
//!
//! What is given to the executor itself (`tokio::spawn`) is not seen; a loop that
//! runs somebody else's tasks beside ours says so by
//! [`EventLoop::knows_idle`], and its time moves only by `advance`.
//!
//! | file | knows |
//! |---|---|
//! | `session` | one pause: the time, the queue of deadlines, and when to move on |
//! | `track` | which tasks have something to do |
//! | `keeper` | the round trip through the reactor |
//! | `place` | one timer's place, paused or not |
//! | `alarm` | a timer that is set again and again |
//! | `follow` | the timers that would have to know of a pause |
//! | `advance` | moving the time |

mod advance;
mod alarm;
mod follow;
mod keeper;
mod place;
mod session;
mod track;

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

pub use advance::Advance;
pub(crate) use alarm::Alarm;
pub use place::{Place, Wait};
pub use track::Drive;
pub(crate) use track::{paused_meanwhile, poll_task};

use crate::blocking::Gauge;
use crate::{Error, ErrorKind, EventLoop, task};
use follow::Followers;
use session::Session;

/// How many clocks of this process are paused: nearly always none, and then a poll
/// of a task pays one relaxed load for all of this.
static PAUSED: AtomicUsize = AtomicUsize::new(0);

/// How many clocks of this process differ from the system's: also those that were
/// resumed.
static UNREAL: AtomicUsize = AtomicUsize::new(0);

/// Returns true if each clock of this process is the system's, as nearly always: who
/// asks for the time need not look for a loop then.
///
/// ```
/// assert!(policy_core::clock::all_real());
/// ```
#[inline]
pub fn all_real() -> bool {
    UNREAL.load(Ordering::Relaxed) == 0
}

#[inline]
pub(crate) fn any_paused() -> bool {
    PAUSED.load(Ordering::Relaxed) != 0
}

/// The clock of one loop: part of its [`LoopState`](crate::LoopState).
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// let state = LoopState::new("my-executor", LoopKind::Selector);
/// assert!(!state.clock().is_paused());
/// assert!(state.clock().now() <= std::time::Instant::now());
/// ```
pub struct Clock {
    shared: Arc<Shared>,
}

/// What timers keep of a clock: it does not keep the loop open.
pub(crate) struct Shared {
    /// The mode, in the lowest bits, and how often it changed.
    word: AtomicU32,
    /// Whose clock it is: noted by the first who has a place in it.
    home: OnceLock<Weak<dyn EventLoop>>,
    followers: Followers,
    outside: AtomicUsize,
    /// How many main futures drive the loop.
    drivers: AtomicUsize,
    jobs: Gauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The loop's time at a moment of the system's, once they differ.
    shift: Option<(Instant, Instant)>,
    session: Option<Arc<Session>>,
}

const MODE: u32 = 0b11;
/// The loop's time is the system's.
const REAL: u32 = 0;
const STANDS: u32 = 1;
/// It goes as the system's does, and is another.
const SHIFTED: u32 = 2;
const CLOSED: u32 = 3;
/// What a change of mode adds.
const CHANGE: u32 = 4;

impl Clock {
    pub(crate) fn new(jobs: Gauge) -> Self {
        let shared = Arc::new(Shared {
            word: AtomicU32::new(REAL),
            home: OnceLock::new(),
            followers: Followers::default(),
            outside: AtomicUsize::new(0),
            drivers: AtomicUsize::new(0),
            jobs,
            state: Mutex::default(),
        });
        shared.jobs.tell_when_done(Arc::downgrade(&shared));
        Self { shared }
    }

    /// Returns the time.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let first = state.clock().now();
    /// assert!(state.clock().now() >= first);
    /// ```
    #[inline]
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Returns true while time stands still.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// assert!(!state.clock().is_paused());
    /// ```
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.shared.mode() == STANDS
    }

    /// Says that something outside of the loop is under way that the loop waits for,
    /// until the guard is dropped: meanwhile a paused clock does not jump.
    ///
    /// ```
    /// use policy_core::{LoopKind, LoopState};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let printing = state.clock().outside();
    /// // … a printer prints …
    /// drop(printing);
    /// ```
    pub fn outside(&self) -> Outside {
        self.shared.outside.fetch_add(1, Ordering::SeqCst);
        Outside { clock: self.shared.clone() }
    }

    /// Waits until `deadline`: says how to, and remembers `waker` in `place`, to be
    /// woken when the answer changes. Called at each poll of a timer.
    ///
    /// ```
    /// use policy_core::clock::{Place, Wait};
    /// use policy_core::{LoopKind, LoopState};
    /// use std::task::Waker;
    /// use std::time::{Duration, Instant};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let mut place = Place::default();
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let wait = state.clock().wait(&mut place, deadline, Waker::noop());
    /// // The clock is the system's: the executor's own timer will do.
    /// assert_eq!(wait, Wait::Until(deadline));
    /// let past = Instant::now();
    /// assert_eq!(state.clock().wait(&mut place, past, Waker::noop()), Wait::Over);
    /// ```
    pub fn wait(&self, place: &mut Place, deadline: Instant, waker: &std::task::Waker) -> Wait {
        place.wait_by(&self.shared, deadline, waker)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Notes that a task was spawned: it has something to do until its first poll.
    #[cold]
    pub(crate) fn spawned(&self, id: task::Id) {
        if let Some(session) = self.shared.session() {
            session.spawned(id);
        }
    }

    /// Notes that something was polled that the loop runs.
    #[cold]
    pub(crate) fn polled(&self) {
        if let Some(session) = self.shared.session() {
            session.polls.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Notes that a task which was spawned was refused.
    #[cold]
    pub(crate) fn refused(&self, id: task::Id) {
        if let Some(session) = self.shared.session() {
            session.gone(id);
        }
    }

    /// Ends all waiting: the loop is closed.
    pub(crate) fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Most never were paused; and after a `fork` a lock may be held for ever.
        if self.shared.mode() == REAL {
            return;
        }
        self.shared.close();
        let was_paused = self.shared.state.try_lock().is_ok_and(|state| state.shift.is_some());
        if was_paused {
            UNREAL.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Shared {
    #[inline]
    fn word(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    #[inline]
    fn mode(&self) -> u32 {
        self.word() & MODE
    }

    #[inline]
    fn now(&self) -> Instant {
        if self.mode() == REAL { Instant::now() } else { self.unreal_now() }
    }

    #[cold]
    fn unreal_now(&self) -> Instant {
        self.lock().now()
    }

    /// Returns the moment of the system's clock at which the loop's will show
    /// `deadline`, while neither is paused.
    fn real(&self, deadline: Instant) -> Instant {
        let Some((ours, real)) = self.lock().shift else { return deadline };
        let there = match deadline.checked_duration_since(ours) {
            Some(ahead) => real.checked_add(ahead),
            None => real.checked_sub(ours.duration_since(deadline)),
        };
        there.unwrap_or(deadline)
    }

    fn session(&self) -> Option<Arc<Session>> {
        if self.mode() != STANDS {
            return None;
        }
        self.lock().session.clone()
    }

    /// Looks whether time can move on, when outside work has ended.
    pub(crate) fn check(&self) {
        if let Some(session) = self.session() {
            session.check();
        }
    }

    fn has_outside_work(&self) -> bool {
        self.outside.load(Ordering::SeqCst) != 0 || !self.jobs.is_empty()
    }

    /// Stops the time; once more, if it stands. Returns the session, if it has to
    /// get a keeper.
    fn pause(self: &Arc<Self>, jumps: bool) -> Result<Arc<Session>, Error> {
        let session = {
            let mut state = self.lock();
            if self.mode() == CLOSED {
                return Err(ErrorKind::LoopClosed.into());
            }
            if let Some(session) = &state.session {
                session.pause_again(jumps);
                return Ok(session.clone());
            }
            let now = state.now();
            if state.shift.is_none() {
                UNREAL.fetch_add(1, Ordering::SeqCst);
                state.shift = Some((now, now));
            }
            let session = Arc::new(Session::new(Arc::downgrade(self), now, jumps));
            state.session = Some(session.clone());
            PAUSED.fetch_add(1, Ordering::SeqCst);
            self.change(STANDS);
            session
        };
        // Outside the lock: wakers are foreign code. After the change: a timer that
        // comes now has either seen it, or is among these.
        self.followers.wake_all();
        Ok(session)
    }

    fn resume(&self) -> Result<(), Error> {
        let ended = {
            let mut state = self.lock();
            let Some(session) = state.session.clone() else { return Err(not_paused()) };
            if session.pauses_again() {
                drop(state);
                session.check();
                return Ok(());
            }
            self.end(&mut state, SHIFTED)
        };
        if let Some(session) = ended {
            session.end();
        }
        Ok(())
    }

    fn close(&self) {
        let ended = {
            let mut state = self.lock();
            if self.mode() == CLOSED {
                return;
            }
            self.end(&mut state, CLOSED)
        };
        if let Some(session) = ended {
            session.end();
        }
    }

    fn end(&self, state: &mut State, mode: u32) -> Option<Arc<Session>> {
        let session = state.session.take();
        if let Some(session) = &session {
            state.shift = Some((session.now(), Instant::now()));
            PAUSED.fetch_sub(1, Ordering::SeqCst);
        }
        self.change(mode);
        session
    }

    /// Called under the lock of the state.
    fn change(&self, mode: u32) {
        let word = self.word.load(Ordering::Acquire);
        self.word.store((word & !MODE).wrapping_add(CHANGE) | mode, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Instant {
        match (&self.session, self.shift) {
            (Some(session), _) => session.now(),
            (None, None) => Instant::now(),
            (None, Some((ours, real))) => ours.checked_add(real.elapsed()).unwrap_or(ours),
        }
    }
}

/// Outside work; see [`Clock::outside`].
#[must_use = "the work counts as done when this is dropped"]
pub struct Outside {
    clock: Arc<Shared>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.clock.outside.fetch_sub(1, Ordering::SeqCst) == 1 && any_paused() {
            self.clock.check();
        }
    }
}

fn not_paused() -> Error {
    ErrorKind::NotPaused.into()
}

/// Stops a loop's time.
pub(crate) fn pause(event_loop: &Arc<dyn EventLoop>, jumps: bool) -> Result<(), Error> {
    let state = event_loop.state();
    state.check_open()?;
    if jumps && !event_loop.knows_idle() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the event loop {} can't know when all of its executor is idle, so its time does not jump; use `policy::time::pause_without_jumping` and `advance`",
                state.name()
            ),
        ));
    }
    let session = state.clock().shared.pause(jumps)?;
    track::mark_pauser(event_loop, &session);
    if jumps {
        keeper::start(event_loop, &session);
    }
    session.check();
    Ok(())
}

pub(crate) fn resume(clock: &Clock) -> Result<(), Error> {
    clock.shared.resume()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("paused", &self.is_paused()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}
