//! One wait for a moment of a loop's time.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use super::schedule::{Due, Key};
use super::{Ready, lane};
use crate::{Error, ErrorKind, EventLoop, Timer};

/// The state of a wait.
#[derive(Debug)]
#[non_exhaustive]
pub enum Waited {
    /// The moment has come.
    Over,
    /// The waker will be woken.
    Pending,
    /// No loop can wake it: none was named, or it is closed.
    Nowhere,
}

/// A place in the timer queue of a loop, which a sleep holds. Dropping it ends the wait.
///
/// It keeps no loop open. It may be polled, moved and dropped on any thread.
///
/// ```
/// let wait = policy_core::clock::Wait::default(); // of no loop yet
/// assert!(wait.now().is_none());
/// ```
#[derive(Default)]
pub struct Wait {
    ready: Option<Arc<Ready>>,
    /// `None` before the first poll, and after the moment has come.
    key: Option<Key>,
    /// Where nobody drives the loop: the executor's own.
    alarm: Option<Timer>,
}

impl Wait {
    /// Makes a wait on a loop.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::clock::Wait;
    ///
    /// assert!(Wait::of(event_loop).now().is_some());
    /// # }
    /// ```
    #[inline]
    pub fn of(event_loop: &Arc<dyn EventLoop>) -> Self {
        let ready = event_loop.state().ready();
        ready.is_at_home(event_loop);
        Self { ready: Some(ready.clone()), key: None, alarm: None }
    }

    /// Returns the time of the loop, if there is a loop.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::clock::Wait;
    ///
    /// assert!(Wait::of(event_loop).now() <= Some(event_loop.time()));
    /// # }
    /// ```
    pub fn now(&self) -> Option<Instant> {
        Some(self.ready.as_ref()?.clock().now())
    }

    /// Waits until `deadline`, which must be the same in each call, unless [`reset`](Self::reset)
    /// changes it. `is_ahead`: the deadline was ahead just now.
    ///
    /// # Errors
    /// Returns the error of the executor's timers, and [`ErrorKind::Forked`] in a child of `fork`,
    /// outside of a run, which ends there.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::clock::{Wait, Waited};
    ///
    /// let mut wait = Wait::of(event_loop);
    /// let waited = wait.poll(event_loop.time(), false, std::task::Waker::noop());
    /// assert!(matches!(waited, Ok(Waited::Over)));
    /// # }
    /// ```
    #[inline]
    pub fn poll(
        &mut self,
        deadline: Instant,
        is_ahead: bool,
        waker: &Waker,
    ) -> Result<Waited, Error> {
        let Some(ready) = &self.ready else { return Ok(Waited::Nowhere) };
        if ready.is_forked() {
            // The time comes to the parent. A run that goes on here ends by itself.
            return match lane::with(ready, |_| ()) {
                Some(()) => Ok(Waited::Pending),
                None => Err(ErrorKind::Forked.into()),
            };
        }
        match self.key {
            Some(key) if ready.schedule().renew(key, waker) => {
                // Without a wake: somebody else polls, or the executor's own timer has
                // come where nobody fires ours.
                if !ready.is_served() && ready.clock().now() >= deadline {
                    self.leave();
                    return Ok(Waited::Over);
                }
            }
            _ => {
                self.key = None;
                if !is_ahead && ready.clock().now() >= deadline {
                    self.alarm = None;
                    return Ok(Waited::Over);
                }
                ready.check_timers(deadline)?;
                match ready.add_timer(deadline, Due::Wake(waker.clone())) {
                    Some(key) => self.key = Some(key),
                    None => return Ok(Waited::Nowhere),
                }
            }
        }
        if ready.is_served() {
            return Ok(Waited::Pending);
        }
        self.poll_alarm(deadline, waker)
    }

    /// Has the executor wake whoever waits, while nobody drives the loop.
    #[cold]
    fn poll_alarm(&mut self, deadline: Instant, waker: &Waker) -> Result<Waited, Error> {
        let Some(ready) = &self.ready else { return Ok(Waited::Nowhere) };
        let Some(event_loop) = ready.home() else { return Ok(Waited::Nowhere) };
        if event_loop.is_closed() {
            return Ok(Waited::Nowhere);
        }
        if self.alarm.is_none() {
            let Some(real) = ready.clock().real(deadline) else { return Ok(Waited::Pending) };
            self.alarm = Some(event_loop.timer(real)?);
        }
        if let Some(alarm) = &mut self.alarm {
            if Pin::new(alarm).poll(&mut Context::from_waker(waker)).is_ready() {
                self.alarm = None;
                waker.wake_by_ref();
            }
        }
        Ok(Waited::Pending)
    }

    /// Moves the moment to `deadline`, and wakes the waiting task.
    ///
    /// ```
    /// policy_core::clock::Wait::default().reset(std::time::Instant::now());
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        if self.ready.as_ref().is_some_and(|ready| ready.is_forked()) {
            return self.leave();
        }
        self.alarm = None;
        if let (Some(ready), Some(key)) = (&self.ready, self.key) {
            if ready.schedule().reset(key, deadline) {
                ready.timer_added(deadline);
            } else {
                self.key = None;
            }
        }
    }

    fn leave(&mut self) {
        if self.ready.as_ref().is_some_and(|ready| ready.is_forked()) {
            // Nobody else is here to open a lock that is held.
            self.key = None;
            return mem::forget(self.alarm.take());
        }
        self.alarm = None;
        if let (Some(ready), Some(key)) = (&self.ready, self.key.take()) {
            ready.schedule().remove(key);
        }
    }
}

impl Drop for Wait {
    #[inline]
    fn drop(&mut self) {
        if self.key.is_some() || self.alarm.is_some() {
            self.leave();
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("waits", &self.key.is_some()).finish_non_exhaustive()
    }
}
