//! Waiting.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use policy_core::clock::{Place, Wait, all_real};
use policy_core::{Error, ErrorKind, EventLoop, Timer, context, task};

use super::Instant;
use crate::ambient;

/// Waits for `duration` (asyncio's `sleep`), by the timer of the loop that runs
/// here: never less, and more by what the executor's timers are late (tokio's count
/// in milliseconds).
///
/// Outside any loop it may be made all the same; it then belongs to the loop that
/// polls it first. Cancel safe: dropping it stops the waiting.
///
/// # Panics
/// When it is polled where there is no loop. [`try_sleep`] finds out at once.
///
/// ```
/// use policy::time::{sleep, Duration};
///
/// policy::run(sleep(Duration::from_millis(1)));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now().saturating_add(duration))
}

/// Waits until `deadline`; see [`sleep`]. Takes [`std::time::Instant`] too.
///
/// # Panics
/// As [`sleep`].
///
/// ```
/// use policy::time::{sleep_until, Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_millis(1);
/// policy::run(sleep_until(deadline));
/// assert!(Instant::now() >= deadline);
/// ```
pub fn sleep_until(deadline: impl Into<Instant>) -> Sleep {
    Sleep::new(deadline.into(), ambient::with_here(Arc::downgrade))
}

/// As [`sleep`], with an error where there is no loop.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop).
///
/// ```
/// use policy::time::{try_sleep, Duration};
///
/// assert!(try_sleep(Duration::ZERO).is_err());
/// ```
pub fn try_sleep(duration: Duration) -> Result<Sleep, Error> {
    try_sleep_until(Instant::now().saturating_add(duration))
}

/// As [`sleep_until`], with an error where there is no loop.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop).
///
/// ```
/// use policy::time::{Instant, try_sleep_until};
///
/// assert!(try_sleep_until(Instant::now()).is_err()); // no loop runs here
/// ```
pub fn try_sleep_until(deadline: impl Into<Instant>) -> Result<Sleep, Error> {
    let event_loop = ambient::with(Arc::downgrade)?;
    Ok(Sleep::new(deadline.into(), Some(event_loop)))
}

pin_project! {
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
        // The loop that it belongs to; `None` until there is one. Weak: a task that
        // sleeps does not keep its own loop open.
        event_loop: Option<Weak<dyn EventLoop>>,
        // With the loop's clock, from the first poll on. A pause of the clock wakes
        // who has one.
        place: Place,
        // What the timer waits for, by the system's clock.
        real: Option<std::time::Instant>,
        // Made by the first poll: a timeout whose future is ready at once needs none.
        #[pin]
        timer: Option<Timer>,
    }
}

impl Sleep {
    fn new(deadline: Instant, event_loop: Option<Weak<dyn EventLoop>>) -> Self {
        Self { deadline, event_loop, place: Place::default(), real: None, timer: None }
    }

    /// Returns when it is over.
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

    /// Returns true once its time has come.
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
        now_of(self.event_loop.as_ref())
    }

    /// Waits until `deadline` instead, also after it was over.
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
        let mut this = self.project();
        *this.deadline = deadline.into();
        this.place.leave();
        this.timer.set(None);
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.try_poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => ambient::fail(&error),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Sleep {
    /// As `poll`, with an error where there is no loop.
    pub(super) fn try_poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut this = self.project();
        loop {
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                let ended = timer.poll(cx).is_ready();
                if !ended && this.place.holds(cx.waker()) {
                    return Poll::Pending;
                }
                if ended {
                    this.timer.set(None);
                }
            }
            let Some(owner) = this.event_loop.as_ref().and_then(Weak::upgrade).filter(is_open)
            else {
                this.timer.set(None);
                this.place.leave();
                if now_of(this.event_loop.as_ref()) >= *this.deadline {
                    return Poll::Ready(Ok(()));
                }
                // The loop that it belongs to is closed: whoever polls takes it over.
                match ambient::event_loop() {
                    Ok(event_loop) if is_open(&event_loop) => {
                        *this.event_loop = Some(Arc::downgrade(&event_loop));
                        continue;
                    }
                    // A worker may poll a task of a loop that closes once more before
                    // it drops it: no reason for a panic.
                    Ok(_) if is_being_cancelled() => return Poll::Pending,
                    Ok(_) => return Poll::Ready(Err(ErrorKind::LoopClosed.into())),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            };
            let clock = owner.state().clock();
            match clock.wait(this.place, this.deadline.into_std(), cx.waker()) {
                Wait::Over => return Poll::Ready(Ok(())),
                Wait::Woken => {
                    this.timer.set(None);
                    return Poll::Pending;
                }
                // Another waker; the timer is as good as before.
                Wait::Until(real) if this.timer.is_some() && *this.real == Some(real) => {
                    return Poll::Pending;
                }
                Wait::Until(real) => match owner.timer(real) {
                    Ok(timer) => {
                        *this.real = Some(real);
                        this.timer.set(Some(timer));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                },
            }
        }
    }
}

/// The time by the clock of a loop, also of one that is closed; without one, of
/// whoever asks.
fn now_of(event_loop: Option<&Weak<dyn EventLoop>>) -> Instant {
    match event_loop.and_then(Weak::upgrade) {
        Some(event_loop) => Instant::from_std(event_loop.time()),
        None => Instant::now(),
    }
}

fn is_open(event_loop: &Arc<dyn EventLoop>) -> bool {
    !event_loop.is_closed()
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
