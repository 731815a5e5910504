//! Intervals.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use policy_core::{Error, ErrorKind};

use super::{Instant, Sleep, sleep_until};
use crate::ambient;

/// Ticks every `period`, the first time at once.
///
/// # Panics
/// Panics if `period` is zero; [`try_interval`] returns an error instead.
///
/// ```
/// use policy::time::{interval, Duration};
///
/// policy::run(async {
///     let mut beat = interval(Duration::from_millis(1));
///     let first = beat.tick().await;
///     let second = beat.tick().await;
///     assert_eq!(second - first, Duration::from_millis(1));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
/// Panics if `period` is zero; [`try_interval_at`] returns an error instead.
///
/// ```
/// use policy::time::{interval_at, Duration, Instant};
///
/// policy::run(async {
///     let start = Instant::now() + Duration::from_millis(1);
///     assert_eq!(interval_at(start, Duration::from_secs(1)).tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: impl Into<Instant>, period: Duration) -> Interval {
    match try_interval_at(start, period) {
        Ok(interval) => interval,
        Err(error) => ambient::fail(&error),
    }
}

/// Like [`interval`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`InvalidInput`](crate::ErrorKind::InvalidInput) if `period` is zero.
///
/// ```
/// use policy::time::{Duration, try_interval};
///
/// assert!(try_interval(Duration::ZERO).is_err());
/// ```
pub fn try_interval(period: Duration) -> Result<Interval, Error> {
    try_interval_at(Instant::now(), period)
}

/// Like [`interval_at`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`InvalidInput`](crate::ErrorKind::InvalidInput) if `period` is zero.
///
/// ```
/// use policy::time::{Duration, Instant, try_interval_at};
///
/// assert!(try_interval_at(Instant::now(), Duration::ZERO).is_err());
/// ```
pub fn try_interval_at(start: impl Into<Instant>, period: Duration) -> Result<Interval, Error> {
    if period.is_zero() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "an interval of zero never lets others run; ask for a period above zero",
        ));
    }
    let sleep = Box::pin(sleep_until(start));
    Ok(Interval { period, sleep, missed: MissedTickBehavior::default() })
}

/// What an [`Interval`] does with ticks that it missed because no task waited in time.
///
/// ```
/// use policy::time::MissedTickBehavior;
///
/// assert_eq!(MissedTickBehavior::default(), MissedTickBehavior::Burst);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Ticks at once for each missed tick, one after the other, until it has caught up.
    #[default]
    Burst,
    /// Restarts the schedule: the next tick comes one period after the late one.
    Delay,
    /// Skips missed ticks: the next tick comes at the next multiple of the period.
    Skip,
}

/// How late a tick may be before it counts as missed: the timers of the executors
/// are late by up to a millisecond on a machine at rest.
const GRACE: Duration = Duration::from_millis(5);

impl MissedTickBehavior {
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        if now <= due + GRACE {
            return due + period;
        }
        match self {
            Self::Burst => due + period,
            Self::Delay => now + period,
            Self::Skip => {
                let late = now.duration_since(due).as_nanos() % period.as_nanos();
                // Less than the period: it fits wherever the period does.
                let (secs, nanos) = (late / 1_000_000_000, late % 1_000_000_000);
                now + period - Duration::new(secs as u64, nanos as u32)
            }
        }
    }
}

/// Ticks at a fixed period; see [`interval`].
///
/// ```
/// use policy::time::{Duration, Interval, interval};
///
/// let beat: Interval = interval(Duration::from_secs(1));
/// assert_eq!(beat.period(), Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    /// Boxed so that `tick` can be called on `&mut` of an interval that moves.
    sleep: Pin<Box<Sleep>>,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and returns the moment at which it was due.
    ///
    /// Cancel safe: dropping the wait loses no tick.
    ///
    /// # Panics
    /// Panics where [`sleep`](super::sleep) panics.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut beat = policy::time::interval(std::time::Duration::from_secs(60));
    ///     beat.tick().await; // the first comes at once
    /// });
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick; see [`tick`](Self::tick).
    ///
    /// ```
    /// policy::run(async {
    ///     let mut beat = policy::time::interval(std::time::Duration::from_secs(60));
    ///     std::future::poll_fn(|cx| beat.poll_tick(cx)).await;
    /// });
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.sleep.as_mut().poll(cx));
        let due = self.sleep.deadline();
        let next = self.missed.next(due, self.sleep.now(), self.period);
        self.sleep.as_mut().reset(next);
        Poll::Ready(due)
    }

    /// Restarts the schedule: the next tick comes one period from now.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut beat = policy::time::interval(std::time::Duration::from_millis(1));
    ///     beat.reset(); // the first tick comes in a millisecond now
    ///     beat.tick().await;
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.reset_at(self.sleep.now() + self.period);
    }

    /// Restarts the schedule: the next tick comes after `delay`. The period stays.
    ///
    /// ```
    /// policy::run(async {
    ///     use policy::time::{Duration, interval};
    ///
    ///     let mut beat = interval(Duration::from_secs(60));
    ///     beat.tick().await;
    ///     beat.reset_after(Duration::from_millis(1));
    ///     beat.tick().await;
    /// });
    /// ```
    pub fn reset_after(&mut self, delay: Duration) {
        self.reset_at(self.sleep.now() + delay);
    }

    /// Restarts the schedule: the next tick comes at `deadline`.
    ///
    /// ```
    /// policy::run(async {
    ///     use policy::time::{Duration, Instant, interval};
    ///
    ///     let mut beat = interval(Duration::from_secs(60));
    ///     let due = Instant::now() + Duration::from_millis(1);
    ///     beat.reset_at(due);
    ///     assert_eq!(beat.tick().await, due);
    /// });
    /// ```
    pub fn reset_at(&mut self, deadline: impl Into<Instant>) {
        self.sleep.as_mut().reset(deadline);
    }

    /// Restarts the schedule: the next tick comes at once.
    ///
    /// ```
    /// policy::run(async {
    ///     let mut beat = policy::time::interval(std::time::Duration::from_secs(60));
    ///     beat.tick().await;
    ///     beat.reset_immediately();
    ///     beat.tick().await;
    /// });
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_at(self.sleep.now());
    }

    /// Returns the period.
    ///
    /// ```
    /// use policy::time::{Duration, interval};
    ///
    /// assert_eq!(interval(Duration::from_secs(1)).period(), Duration::from_secs(1));
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what happens to missed ticks.
    ///
    /// ```
    /// use policy::time::{Duration, MissedTickBehavior, interval};
    ///
    /// let beat = interval(Duration::from_secs(1));
    /// assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Burst);
    /// ```
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens to missed ticks.
    ///
    /// ```
    /// use policy::time::{Duration, MissedTickBehavior, interval};
    ///
    /// let mut beat = interval(Duration::from_secs(1));
    /// beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    /// assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Skip);
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    fn next(behavior: MissedTickBehavior, late: u64) -> Duration {
        let due = Instant::now();
        behavior.next(due, due + Duration::from_millis(late), PERIOD) - due
    }

    #[test]
    fn a_tick_in_time_is_followed_a_period_after_it_was_due() {
        for behavior in
            [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
        {
            assert_eq!(next(behavior, 3), PERIOD);
        }
    }

    #[test]
    fn burst_makes_missed_ticks_up() {
        assert_eq!(next(MissedTickBehavior::Burst, 250), PERIOD);
    }

    #[test]
    fn delay_begins_anew() {
        assert_eq!(next(MissedTickBehavior::Delay, 250), Duration::from_millis(350));
    }

    #[test]
    fn skip_keeps_the_beat() {
        assert_eq!(next(MissedTickBehavior::Skip, 250), Duration::from_millis(300));
    }
}
