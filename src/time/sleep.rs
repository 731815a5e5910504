//! Waiting.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
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
    let event_loop = ambient::here().as_ref().map(Arc::downgrade);
    Sleep { deadline: deadline.into(), event_loop, timer: None }
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
    let event_loop = Some(Arc::downgrade(&ambient::event_loop()?));
    Ok(Sleep { deadline: deadline.into(), event_loop, timer: None })
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
        // Made by the first poll: a timeout whose future is ready at once needs none.
        #[pin]
        timer: Option<Timer>,
    }
}

impl Sleep {
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
        Instant::now() >= self.deadline
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
            let owner = this.event_loop.as_ref().and_then(Weak::upgrade).filter(is_open);
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                if timer.poll(cx).is_ready() {
                    // A loop that shuts down may wake its timers early.
                    if Instant::now() >= *this.deadline {
                        return Poll::Ready(Ok(()));
                    }
                } else if owner.is_some() {
                    return Poll::Pending;
                }
                this.timer.set(None);
            }
            if Instant::now() >= *this.deadline {
                return Poll::Ready(Ok(()));
            }
            let owner = match owner {
                Some(owner) => owner,
                // The loop that it belongs to is closed: whoever polls takes it over.
                None => match ambient::event_loop() {
                    Ok(event_loop) if is_open(&event_loop) => {
                        *this.event_loop = Some(Arc::downgrade(&event_loop));
                        event_loop
                    }
                    // A worker may poll a task of a loop that closes once more before
                    // it drops it: no reason for a panic.
                    Ok(_) if is_being_cancelled() => return Poll::Pending,
                    Ok(_) => return Poll::Ready(Err(ErrorKind::LoopClosed.into())),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            };
            match owner.timer(this.deadline.into_std()) {
                Ok(timer) => this.timer.set(Some(timer)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
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
