//! What a run and a timekeeper ask of a loop's timers and its clock.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Waker;
use std::time::Instant;

use super::clock::{Clock, Step};
use super::mail::Entry;
use super::ready::Ready;
use super::schedule::{Due, Key, Schedule};
use super::{callback, lane, timekeeper};
use crate::Error;
use crate::sync::wake;

impl Ready {
    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[inline]
    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Checks that the executor makes timers: by making one, the first time.
    #[inline]
    pub(crate) fn check_timers(&self, deadline: Instant) -> Result<(), Error> {
        match self.schedule.is_used() {
            true => Ok(()),
            false => self.home().map_or(Ok(()), |home| home.timer(deadline).map(drop)),
        }
    }

    /// Adds a timer. `None` if the loop is closed: the timer is dropped.
    #[inline]
    pub(super) fn add_timer(self: &Arc<Self>, deadline: Instant, due: Due) -> Option<Key> {
        self.expect();
        let key = self.schedule.add(deadline, due);
        // After that: whoever closes the loop marks it first, and then takes all out.
        if self.closed.load(SeqCst) {
            self.schedule.remove(key);
            return None;
        }
        self.timer_added(deadline);
        Some(key)
    }

    /// Adds a callback for the time `when`. `None` if the loop is closed.
    pub(crate) fn call_at(self: &Arc<Self>, when: Instant, entry: callback::Entry) -> Option<Key> {
        self.add_timer(when, Due::Call(entry))
    }

    /// Wakes whoever fires timers, if it would sleep too long.
    #[inline]
    pub(super) fn timer_added(self: &Arc<Self>, deadline: Instant) {
        if self.runs_tasks() {
            // The thread that drives looks before it sleeps.
            if lane::with(self, |_| ()).is_none() || self.asleep.load(Relaxed) {
                self.nudge_for(deadline);
            }
        } else {
            timekeeper::start(self);
            self.schedule.wake_timekeeper_for(deadline);
        }
    }

    #[cold]
    fn nudge_for(&self, deadline: Instant) {
        if self.schedule.next().is_none_or(|next| deadline <= next) || self.clock.is_paused() {
            self.nudge();
        }
    }

    pub(super) fn remove_timer(&self, key: Key) {
        self.schedule.remove(key);
    }

    /// Wakes and adds what is due.
    pub(super) fn fire(&self) {
        let mut due = Vec::new();
        self.schedule.fire(self.clock.now(), &mut due);
        for due in due {
            match due {
                Due::Wake(waker) => wake(Some(waker)),
                Due::Call(entry) => {
                    if let Err(Entry::Call(refused)) = self.add(Entry::Call(entry)) {
                        callback::discard(&refused);
                    }
                }
            }
        }
    }

    /// Moves a paused clock by one step, if somebody wants that. Returns true if
    /// somebody may have something to do now.
    pub(super) fn advance(&self) -> bool {
        match self.clock.advance(self.schedule.earliest()) {
            Step::Stay => return false,
            Step::Fire => self.fire(),
            Step::Wake(waker) => wake(Some(waker)),
        }
        true
    }

    /// Returns when the next timer is due, by the system's clock.
    pub(crate) fn next_alarm(&self) -> Option<Instant> {
        if !self.schedule.is_used() {
            return None;
        }
        self.clock.real(self.schedule.next()?)
    }

    /// The same for the timekeeper, which sleeps from now on.
    pub(super) fn timekeeper_sleeps(&self, waker: &Waker) -> Option<Instant> {
        let next = self.schedule.timekeeper_sleeps(self.schedule.next(), waker)?;
        self.clock.real(next)
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn pause(&self, jumps: bool) -> Result<(), Error> {
        self.clock.pause(jumps)?;
        self.nudge();
        Ok(())
    }

    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.clock.resume()?;
        self.nudge();
        Ok(())
    }

    /// Has whoever drives the loop look at its clock again.
    pub(crate) fn nudge(&self) {
        self.has_mail.store(true, SeqCst);
        self.ring();
        if !self.runs_tasks() {
            self.schedule.wake_timekeeper();
        }
    }
}
