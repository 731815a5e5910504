//! One timer's place with its loop's clock.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::session::Session;
use super::{CLOSED, MODE, REAL, STANDS, Shared};

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
/// ```
/// let place = policy_core::clock::Place::default();
/// assert!(!place.holds(std::task::Waker::noop())); // nobody waits
/// ```
#[derive(Default)]
pub struct Place {
    at: Option<At>,
}

struct At {
    clock: Arc<Shared>,
    /// The clock's word when this was entered.
    word: u32,
    /// The two addresses of the waker that is registered.
    waker: Option<(usize, usize)>,
    registered: Registered,
}

enum Registered {
    Following(usize),
    Queued {
        session: Arc<Session>,
        deadline: Instant,
        key: u64,
    },
    /// The loop is closed.
    Nowhere,
}

impl Place {
    /// Returns true if the last answer of [`wait`](super::Clock::wait) still holds,
    /// for this waker too: a timer that polls again need not ask again.
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
        self.at.as_ref().is_some_and(|at| {
            at.clock.word() == at.word
                && at.word & MODE != STANDS
                && at.waker == Some(addresses(waker))
        })
    }

    /// Leaves the place: nobody waits any more.
    ///
    /// ```
    /// let mut place = policy_core::clock::Place::default();
    /// place.leave();
    /// ```
    pub fn leave(&mut self) {
        if let Some(at) = self.at.take() {
            at.leave();
        }
    }

    pub(super) fn wait(&mut self, clock: &Arc<Shared>, deadline: Instant, waker: &Waker) -> Wait {
        loop {
            let word = clock.word();
            if word & MODE == STANDS {
                match self.queue(clock, word, deadline, waker) {
                    Some(wait) => return wait,
                    // Resumed meanwhile.
                    None => continue,
                }
            }
            if clock.now() >= deadline {
                self.leave();
                return Wait::Over;
            }
            let real = if word & MODE == REAL { deadline } else { clock.real(deadline) };
            if self.follow(clock, word, waker) {
                return Wait::Until(real);
            }
        }
    }

    /// Returns false if the clock has changed meanwhile.
    fn follow(&mut self, clock: &Arc<Shared>, word: u32, waker: &Waker) -> bool {
        if let Some(at) = self.at.as_mut().filter(|at| at.is_of(clock, word)) {
            if at.waker == Some(addresses(waker)) {
                return true;
            }
            if let Registered::Following(key) = at.registered {
                let clone = waker.clone();
                at.waker = known(waker, &clone);
                clock.followers.replace(key, clone);
                return true;
            }
        }
        self.leave();
        let clone = waker.clone();
        let waker = known(waker, &clone);
        let registered = if word & MODE == CLOSED {
            Registered::Nowhere
        } else {
            // Looked at under the lock of the shard: who changes the clock comes for
            // those in it afterwards.
            match clock.followers.add(clone, || clock.word() == word) {
                Some(key) => Registered::Following(key),
                None => return false,
            }
        };
        self.at = Some(At { clock: clock.clone(), word, waker, registered });
        true
    }

    /// `None` if the clock has changed meanwhile.
    fn queue(
        &mut self,
        clock: &Arc<Shared>,
        word: u32,
        deadline: Instant,
        waker: &Waker,
    ) -> Option<Wait> {
        if let Some(at) = self.at.as_ref().filter(|at| at.is_of(clock, word)) {
            match &at.registered {
                Registered::Queued { session, deadline: before, key }
                    if *before == deadline && session.stay(deadline, *key, waker) =>
                {
                    return Some(Wait::Woken);
                }
                _ => {}
            }
        }
        self.leave();
        let session = clock.session()?;
        if session.now() >= deadline {
            return Some(Wait::Over);
        }
        let key = session.enter(deadline, waker)?;
        let registered = Registered::Queued { session, deadline, key };
        self.at = Some(At { clock: clock.clone(), word, waker: None, registered });
        Some(Wait::Woken)
    }
}

impl At {
    fn is_of(&self, clock: &Arc<Shared>, word: u32) -> bool {
        Arc::ptr_eq(&self.clock, clock) && self.word == word
    }

    fn leave(self) {
        match self.registered {
            Registered::Following(key) => self.clock.followers.remove(key),
            Registered::Queued { session, deadline, key } => session.leave(deadline, key),
            Registered::Nowhere => {}
        }
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
fn known(waker: &Waker, clone: &Waker) -> Option<(usize, usize)> {
    (clone.data() == waker.data()).then(|| addresses(waker))
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("waits", &self.at.is_some()).finish()
    }
}
