//! One timer that is set again and again, by its loop's clock.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{Place, Wait};
use crate::{Error, EventLoop, Timer};

/// A timer that is set again and again, by its loop's clock.
#[derive(Default)]
pub(crate) struct Alarm {
    place: Place,
    deadline: Option<Instant>,
    /// What the timer waits for, by the system's clock.
    real: Option<Instant>,
    /// Boxed when the first is needed, and then used again.
    timer: Option<Pin<Box<Option<Timer>>>>,
}

impl Alarm {
    /// Waits for nothing any more.
    pub(crate) fn clear(&mut self) {
        self.place.leave();
        self.deadline = None;
        self.drop_timer();
    }

    /// Wakes `waker` when it is `deadline`. Ready if it is.
    ///
    /// # Errors
    /// If the executor has no timers; told once for a deadline.
    pub(crate) fn set(
        &mut self,
        event_loop: &dyn EventLoop,
        deadline: Instant,
        waker: &Waker,
    ) -> Result<Poll<()>, Error> {
        let known = self.deadline.replace(deadline) == Some(deadline);
        loop {
            match event_loop.state().clock().wait(&mut self.place, deadline, waker) {
                Wait::Over => {
                    self.clear();
                    return Ok(Poll::Ready(()));
                }
                Wait::Woken => {
                    self.drop_timer();
                    return Ok(Poll::Pending);
                }
                Wait::Until(real) if known && self.real == Some(real) => {}
                Wait::Until(real) => {
                    self.real = Some(real);
                    let timer = event_loop.timer(real)?;
                    self.timer.get_or_insert_with(|| Box::pin(None)).set(Some(timer));
                }
            }
            let timer = self.timer.as_mut().and_then(|timer| timer.as_mut().as_pin_mut());
            // There is none where the executor has none.
            let Some(timer) = timer else { return Ok(Poll::Pending) };
            if timer.poll(&mut Context::from_waker(waker)).is_pending() {
                return Ok(Poll::Pending);
            }
            // Early, if the deadline is still to come: then it is set anew.
            self.drop_timer();
        }
    }

    fn drop_timer(&mut self) {
        self.real = None;
        if let Some(timer) = &mut self.timer {
            timer.set(None);
        }
    }
}
