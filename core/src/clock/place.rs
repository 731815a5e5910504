//! One timer's place with its loop's clock.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::session::Session;
use super::{CLOSED, MODE, REAL, STANDS, Shared};
use crate::EventLoop;

/// How a timer waits; see [`Clock::wait`](super::Clock::wait).
///
/// ```
/// use policy_core::clock::Wait;
/// use std::time::Instant;
///
/// fn timer(wait: Wait) -> Option<Instant> {
///     match wait {
///         Wait::Until(real) => Some(real), // of the executor's
///         Wait::Over | Wait::Woken => None,
///     }
/// }
/// assert_eq!(timer(Wait::Woken), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The time has come.
    Over,
    /// By a timer of the executor, until this moment of the system's clock; the
    /// waker is woken, too, when that is no longer so.
    Until(Instant),
    /// By nothing: the waker will be woken.
    Woken,
}

/// One timer's place with its loop's clock. Dropping it leaves the place.
///
/// It keeps the clock, and not the loop: who waits does not keep its own loop open.
///
/// ```
/// let place = policy_core::clock::Place::default();
/// assert!(!place.holds(std::task::Waker::noop())); // nobody waits
/// ```
#[derive(Default)]
pub struct Place {
    clock: Option<Arc<Shared>>,
    /// The clock's word when this was entered.
    word: u32,
    /// The two addresses of the waker that is registered; none has a table at 0.
    waker: (usize, usize),
    registered: Registered,
}

#[derive(Default)]
enum Registered {
    /// Nobody waits.
    #[default]
    Not,
    Following(usize),
    /// Boxed: few clocks are ever paused, and each timer has room for this.
    Queued(Box<Queued>),
    /// The loop is closed.
    Nowhere,
}

struct Queued {
    session: Arc<Session>,
    deadline: Instant,
    key: u64,
}

impl Place {
    /// Makes a place with the clock of `event_loop`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::clock::Place;
    ///
    /// assert!(Place::of(event_loop).is_of(event_loop));
    /// # }
    /// ```
    pub fn of(event_loop: &Arc<dyn EventLoop>) -> Self {
        let clock = event_loop.state().clock().shared();
        clock.home.get_or_init(|| Arc::downgrade(event_loop));
        let mut place = Self::default();
        place.clock = Some(clock.clone());
        place
    }

    /// Returns true if this is a place with the clock of `event_loop`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::clock::Place;
    ///
    /// assert!(!Place::default().is_of(event_loop));
    /// # }
    /// ```
    #[inline]
    pub fn is_of(&self, event_loop: &Arc<dyn EventLoop>) -> bool {
        let clock = event_loop.state().clock().shared();
        self.clock.as_ref().is_some_and(|own| Arc::ptr_eq(own, clock))
    }

    /// Returns the loop, if it is still there.
    ///
    /// ```
    /// assert!(policy_core::clock::Place::default().event_loop().is_none());
    /// ```
    pub fn event_loop(&self) -> Option<Arc<dyn EventLoop>> {
        self.clock.as_ref()?.home.get()?.upgrade()
    }

    /// Returns the time by the clock, also of a loop that has gone.
    ///
    /// ```
    /// assert!(policy_core::clock::Place::default().now().is_none());
    /// ```
    pub fn now(&self) -> Option<Instant> {
        Some(self.clock.as_ref()?.now())
    }

    /// Returns true if the last answer of [`wait`](Self::wait) still holds, for this
    /// waker too: a timer that polls again need not ask again.
    ///
    /// ```
    /// use policy_core::clock::Place;
    /// use policy_core::{LoopKind, LoopState};
    /// use std::task::Waker;
    /// use std::time::{Duration, Instant};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let mut place = Place::default();
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// state.clock().wait(&mut place, deadline, Waker::noop());
    /// assert!(place.holds(Waker::noop()));
    /// state.mark_closed();
    /// assert!(!place.holds(Waker::noop()));
    /// ```
    #[inline]
    pub fn holds(&self, waker: &Waker) -> bool {
        self.waker == addresses(waker) && self.is_unchanged(|mode| mode != STANDS)
    }

    /// Returns true if the clock is the system's, and has been ever since somebody
    /// waits here: what the executor's timer says is then the whole truth.
    ///
    /// ```
    /// use policy_core::clock::Place;
    /// use policy_core::{LoopKind, LoopState};
    /// use std::task::Waker;
    /// use std::time::{Duration, Instant};
    ///
    /// let state = LoopState::new("my-executor", LoopKind::Selector);
    /// let mut place = Place::default();
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// state.clock().wait(&mut place, deadline, Waker::noop());
    /// assert!(place.is_real());
    /// ```
    #[inline]
    pub fn is_real(&self) -> bool {
        !matches!(self.registered, Registered::Not) && self.is_unchanged(|mode| mode == REAL)
    }

    #[inline]
    fn is_unchanged(&self, is_mode: impl FnOnce(u32) -> bool) -> bool {
        let Some(clock) = &self.clock else { return false };
        clock.word() == self.word && is_mode(self.word & MODE)
    }

    /// Leaves the place: nobody waits any more.
    ///
    /// ```
    /// let mut place = policy_core::clock::Place::default();
    /// place.leave();
    /// ```
    #[inline]
    pub fn leave(&mut self) {
        self.waker = (0, 0);
        let registered = mem::take(&mut self.registered);
        let Some(clock) = &self.clock else { return };
        match registered {
            Registered::Following(key) => clock.followers.remove(key),
            Registered::Queued(queued) => queued.session.leave(queued.deadline, queued.key),
            Registered::Not | Registered::Nowhere => {}
        }
    }

    /// Waits until `deadline`; see [`Clock::wait`](super::Clock::wait). In a place
    /// with no clock the time has come.
    ///
    /// With `is_ahead` the caller has just seen that the deadline is still to come,
    /// and a clock that is the system's is not asked again.
    ///
    /// ```
    /// use policy_core::clock::{Place, Wait};
    /// use std::task::Waker;
    /// use std::time::Instant;
    ///
    /// let wait = Place::default().wait(Instant::now(), false, Waker::noop());
    /// assert_eq!(wait, Wait::Over);
    /// ```
    pub fn wait(&mut self, deadline: Instant, is_ahead: bool, waker: &Waker) -> Wait {
        loop {
            let Some(clock) = &self.clock else { return Wait::Over };
            let word = clock.word();
            let mode = word & MODE;
            if mode == STANDS {
                match self.queue(word, deadline, waker) {
                    Some(wait) => return wait,
                    // Resumed meanwhile.
                    None => continue,
                }
            }
            if !(is_ahead && mode == REAL) && clock.now() >= deadline {
                self.leave();
                return Wait::Over;
            }
            let real = if mode == REAL { deadline } else { clock.real(deadline) };
            if self.follow(word, waker) {
                return Wait::Until(real);
            }
        }
    }

    /// As [`wait`](Self::wait), with this clock.
    pub(super) fn wait_by(
        &mut self,
        clock: &Arc<Shared>,
        deadline: Instant,
        waker: &Waker,
    ) -> Wait {
        if !self.clock.as_ref().is_some_and(|own| Arc::ptr_eq(own, clock)) {
            self.leave();
            self.clock = Some(clock.clone());
        }
        self.wait(deadline, false, waker)
    }

    /// Returns false if the clock has changed meanwhile.
    fn follow(&mut self, word: u32, waker: &Waker) -> bool {
        let is_here = !matches!(self.registered, Registered::Not) && self.word == word;
        if is_here && self.waker == addresses(waker) {
            return true;
        }
        let clone = waker.clone();
        let waker = known(waker, &clone);
        match (&self.clock, &self.registered) {
            (Some(clock), Registered::Following(key)) if is_here => {
                clock.followers.replace(*key, clone);
            }
            _ => {
                self.leave();
                let Some(clock) = &self.clock else { return true };
                self.registered = if word & MODE == CLOSED {
                    Registered::Nowhere
                } else {
                    // Looked at under the lock of the shard: who changes the clock comes
                    // for those in it afterwards.
                    match clock.followers.add(clone, || clock.word() == word) {
                        Some(key) => Registered::Following(key),
                        None => return false,
                    }
                };
                self.word = word;
            }
        }
        self.waker = waker;
        true
    }

    /// `None` if the clock has changed meanwhile.
    #[cold]
    fn queue(&mut self, word: u32, deadline: Instant, waker: &Waker) -> Option<Wait> {
        if let Registered::Queued(queued) = &self.registered {
            let same = self.word == word && queued.deadline == deadline;
            if same && queued.session.stay(deadline, queued.key, waker) {
                return Some(Wait::Woken);
            }
        }
        self.leave();
        let session = self.clock.as_ref()?.session()?;
        if session.now() >= deadline {
            return Some(Wait::Over);
        }
        let key = session.enter(deadline, waker)?;
        self.registered = Registered::Queued(Box::new(Queued { session, deadline, key }));
        self.word = word;
        Some(Wait::Woken)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn addresses(waker: &Waker) -> (usize, usize) {
    (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
}

/// The addresses of a waker of which a clone is kept, if they can't come to mean
/// another: a clone with the same data keeps it alive.
fn known(waker: &Waker, clone: &Waker) -> (usize, usize) {
    if clone.data() == waker.data() { addresses(waker) } else { (0, 0) }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = !matches!(self.registered, Registered::Not);
        f.debug_struct("Place").field("waits", &waits).finish()
    }
}
