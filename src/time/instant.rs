//! A moment on the clock of the loop.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use policy_core::clock::all_real;

use crate::ambient;

/// A moment on the monotonic clock of a loop.
///
/// A type of its own, because a loop's clock can differ from the system's: in a
/// test, for example. It converts from and into [`std::time::Instant`].
///
/// ```
/// use policy::time::{Duration, Instant};
///
/// let then = Instant::now() + Duration::from_millis(5);
/// assert!(then > Instant::now() || then.elapsed() < Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(std::time::Instant);

impl Instant {
    /// Returns the current time of the running loop's clock: it stands still while that is
    /// [paused](super::pause). Outside any loop, returns the system's time.
    ///
    /// ```
    /// use policy::time::Instant;
    ///
    /// let first = Instant::now();
    /// assert!(Instant::now() >= first);
    /// ```
    pub fn now() -> Self {
        // Looking for the loop costs more than asking the system.
        if all_real() {
            return Self(std::time::Instant::now());
        }
        Self::now_here()
    }

    #[cold]
    fn now_here() -> Self {
        let here = ambient::with_here(|event_loop| event_loop.time());
        Self(here.unwrap_or_else(std::time::Instant::now))
    }

    /// Returns how much time has passed since this moment; zero if it lies ahead.
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// let later = Instant::now() + Duration::from_secs(60);
    /// assert_eq!(later.elapsed(), Duration::ZERO);
    /// ```
    pub fn elapsed(&self) -> Duration {
        Self::now().saturating_duration_since(*self)
    }

    /// Returns how much later than `earlier` this is; zero if it is earlier.
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let later = now + Duration::from_secs(1);
    /// assert_eq!(later.duration_since(now), Duration::from_secs(1));
    /// assert_eq!(now.duration_since(later), Duration::ZERO);
    /// ```
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// Like [`duration_since`](Self::duration_since), but returns `None` if this is earlier.
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// assert_eq!(now.checked_duration_since(now + Duration::from_secs(1)), None);
    /// ```
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The same as [`duration_since`](Self::duration_since).
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// assert_eq!(now.saturating_duration_since(now + Duration::from_secs(1)), Duration::ZERO);
    /// ```
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// Returns this moment plus `duration`; `None` if no clock can represent it.
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// assert_eq!(Instant::now().checked_add(Duration::MAX), None);
    /// ```
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// Returns this moment minus `duration`; `None` if no clock can represent it.
    ///
    /// ```
    /// use policy::time::{Duration, Instant};
    ///
    /// assert_eq!(Instant::now().checked_sub(Duration::MAX), None);
    /// ```
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// Converts into a std instant.
    ///
    /// ```
    /// use policy::time::Instant;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Instant::from_std(now.into_std()), now);
    /// ```
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// Converts a std instant.
    ///
    /// ```
    /// use policy::time::Instant;
    ///
    /// let std = std::time::Instant::now();
    /// assert_eq!(Instant::from_std(std).into_std(), std);
    /// ```
    pub fn from_std(instant: std::time::Instant) -> Self {
        Self(instant)
    }

    /// Returns this moment and `duration`, or thirty years from now where no clock
    /// can hold that: nobody waits so long.
    pub(super) fn saturating_add(self, duration: Duration) -> Self {
        const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
        self.checked_add(duration).or_else(|| self.checked_add(FAR)).unwrap_or(self)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(instant: std::time::Instant) -> Self {
        Self(instant)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Adds, and saturates where no clock can hold the sum.
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Subtracts, and stays where it is if no clock can hold the difference.
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(self)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
