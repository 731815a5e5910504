//! Sleeping.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::budget::Once;
use policy_core::clock::{Wait, Waited, all_real};
use policy_core::{Error, ErrorKind, context, task};

use super::Instant;
use crate::ambient;

/// Waits at least `duration` (asyncio's `sleep`), by the clock of the running loop. How late it may
/// fire depends on the executor, which wakes the loop: tokio's timers have millisecond resolution.
///
/// A `duration` of zero lets other tasks run once (asyncio's `sleep(0)`), like
/// [`yield_now`](crate::task::yield_now).
///
/// You may create it outside any loop; it then belongs to the loop that polls it first. Cancel
/// safe: dropping it stops the wait.
///
/// # Panics
/// Panics when it is polled outside any loop, or by a worker thread of a loop of the parent in a
/// child of `fork`. [`try_sleep`] returns an error at once instead.
///
/// ```
/// use policy::time::{sleep, Duration, Instant};
///
/// let start = Instant::now();
/// policy::run(sleep(Duration::from_millis(1)));
/// assert!(start.elapsed() >= Duration::from_millis(1));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    let mut sleep = sleep_until(Instant::now().saturating_add(duration));
    sleep.is_ahead = !duration.is_zero();
    sleep.yields_if(duration)
}

/// Waits until `deadline`; see [`sleep`]. Takes [`std::time::Instant`] too.
///
/// # Panics
/// Panics where [`sleep`] panics.
///
/// ```
/// use policy::time::{sleep_until, Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_millis(1);
/// policy::run(sleep_until(deadline));
/// assert!(Instant::now() >= deadline);
/// ```
pub fn sleep_until(deadline: impl Into<Instant>) -> Sleep {
    Sleep::new(deadline.into(), ambient::with_here(Wait::of).unwrap_or_default())
}

/// Like [`sleep`], but returns an error if there is no loop.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no loop, and
/// [`Forked`](crate::ErrorKind::Forked) in a child of `fork`.
///
/// ```
/// use policy::time::{try_sleep, Duration};
///
/// assert!(try_sleep(Duration::ZERO).is_err());
/// ```
pub fn try_sleep(duration: Duration) -> Result<Sleep, Error> {
    let sleep = try_sleep_until(Instant::now().saturating_add(duration))?;
    Ok(sleep.yields_if(duration))
}

/// Like [`sleep_until`], but returns an error if there is no loop.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no loop, and
/// [`Forked`](crate::ErrorKind::Forked) in a child of `fork`.
///
/// ```
/// use policy::time::{Instant, try_sleep_until};
///
/// assert!(try_sleep_until(Instant::now()).is_err()); // no loop runs here
/// ```
pub fn try_sleep_until(deadline: impl Into<Instant>) -> Result<Sleep, Error> {
    let wait = ambient::with(|event_loop| match event_loop.state().is_forked() {
        true => Err(ErrorKind::Forked),
        false => Ok(Wait::of(event_loop)),
    })??;
    Ok(Sleep::new(deadline.into(), wait))
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// ```
/// policy::run(async {
///     use policy::time::{Duration, Sleep, sleep};
///
///     let wait: Sleep = sleep(Duration::from_millis(1));
///     wait.await;
/// });
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    deadline: Instant,
    // Made with that deadline ahead, and not polled since: the first poll need not ask
    // for the time again.
    is_ahead: bool,
    turn: Once,
    // In the queue of the loop that it belongs to; of none until there is one.
    wait: Wait,
}

// As a sleep is, that may be one of many: a task is no larger for it than it must be.
const _: () = assert!(size_of::<Sleep>() <= 112);

impl Sleep {
    fn new(deadline: Instant, wait: Wait) -> Self {
        Self { deadline, is_ahead: false, turn: Once::new(), wait }
    }

    fn yields_if(mut self, duration: Duration) -> Self {
        if duration.is_zero() {
            self.turn = Once::yielding();
        }
        self
    }

    /// Returns the moment at which it completes.
    ///
    /// ```
    /// use policy::time::{Instant, sleep_until};
    ///
    /// let now = Instant::now();
    /// assert_eq!(sleep_until(now).deadline(), now);
    /// ```
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns true once the deadline has passed.
    ///
    /// ```
    /// use policy::time::{Instant, sleep_until};
    ///
    /// assert!(sleep_until(Instant::now()).is_elapsed());
    /// ```
    pub fn is_elapsed(&self) -> bool {
        self.now() >= self.deadline
    }

    /// Returns the time by the clock of the loop that it belongs to.
    pub(super) fn now(&self) -> Instant {
        if all_real() {
            return Instant::from_std(std::time::Instant::now());
        }
        now_of(&self.wait)
    }

    /// Changes the deadline, also after it has completed.
    ///
    /// ```
    /// policy::run(async {
    ///     use policy::time::{Duration, Instant, sleep};
    ///
    ///     let mut wait = std::pin::pin!(sleep(Duration::from_secs(60)));
    ///     wait.as_mut().reset(Instant::now());
    ///     wait.await;
    /// });
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: impl Into<Instant>) {
        let this = self.get_mut();
        this.deadline = deadline.into();
        this.is_ahead = false;
        this.turn = Once::new();
        this.wait.reset(this.deadline.into_std());
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut turn = mem::take(&mut self.turn);
        let polled = turn.poll(cx, |cx| self.as_mut().try_poll(cx));
        self.turn = turn;
        or_panic(polled)
    }
}

impl Sleep {
    /// As `poll`, for who decides about others: however much they have spent.
    #[track_caller]
    pub(super) fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        or_panic(self.try_poll(cx))
    }

    /// As `poll`, with an error where there is no loop.
    fn try_poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        loop {
            let is_ahead = mem::take(&mut this.is_ahead);
            match this.wait.poll(this.deadline.into_std(), is_ahead, cx.waker()) {
                Ok(Waited::Over) => return Poll::Ready(Ok(())),
                Ok(Waited::Pending) => return Poll::Pending,
                // It is closed, or there was none.
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if now_of(&this.wait) >= this.deadline {
                return Poll::Ready(Ok(()));
            }
            // Whoever polls takes it over.
            match ambient::event_loop() {
                Ok(event_loop) if !event_loop.is_closed() => this.wait = Wait::of(&event_loop),
                // A worker may poll a task of a loop that closes once more before
                // it drops it: no reason for a panic.
                Ok(_) if is_being_cancelled() => return Poll::Pending,
                // The same, where the loop has gone altogether, and woke who waited.
                Err(_) if this.wait.now().is_some() && task::try_id().is_some() => {
                    return Poll::Pending;
                }
                Ok(_) => return Poll::Ready(Err(ErrorKind::LoopClosed.into())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[track_caller]
fn or_panic(polled: Poll<Result<(), Error>>) -> Poll<()> {
    match polled {
        Poll::Ready(Ok(())) => Poll::Ready(()),
        Poll::Ready(Err(error)) => ambient::fail(&error),
        Poll::Pending => Poll::Pending,
    }
}

/// The time by the clock of a loop, also of one that is closed; without one, of
/// whoever asks.
fn now_of(wait: &Wait) -> Instant {
    wait.now().map_or_else(Instant::now, Instant::from_std)
}

/// Returns true in a task of a closed loop.
fn is_being_cancelled() -> bool {
    let closed = context::with_running(|event_loop| event_loop.is_closed());
    closed == Some(true) && task::try_id().is_some()
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
