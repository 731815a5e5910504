//! Moving the time of a loop whose clock is paused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::session::Session;
use super::{Clock, Shared, not_paused};
use crate::task::quietly;
use crate::{Error, ErrorKind};

/// How often the others have their turn before those are given up who wait for a
/// time that has come, and don't come to see.
const TURNS: u32 = 64;

/// The future of [`advance`](crate::EventLoop#method.advance).
///
/// Cancel safe: when this is dropped, time stays where it has come to.
#[must_use = "time does not move unless this is awaited"]
pub struct Advance {
    clock: Arc<Shared>,
    by: Duration,
    asked: Option<(Arc<Session>, Arc<Status>)>,
    turns: u32,
}

/// What an [`Advance`] asks of a session; several are served in order.
pub(super) struct Request {
    by: Duration,
    target: Option<Instant>,
    waker: Waker,
    /// Whether who advances makes turns, so that others can come.
    lingers: bool,
    status: Arc<Status>,
}

/// How a request has ended, if it has.
#[derive(Default)]
struct Status(AtomicU8);

const DONE: u8 = 1;
/// The session ended first.
const OVER: u8 = 2;

impl Advance {
    pub(crate) fn new(clock: &Clock, by: Duration) -> Self {
        Self { clock: clock.shared().clone(), by, asked: None, turns: 0 }
    }

    fn ask(&self, waker: &Waker) -> Result<(Arc<Session>, Arc<Status>), Error> {
        let session = self.clock.session().ok_or_else(not_paused)?;
        let status = Arc::new(Status::default());
        let request = Request {
            by: self.by,
            target: None,
            waker: waker.clone(),
            lingers: false,
            status: status.clone(),
        };
        {
            let mut inner = session.lock();
            // Looked at under the lock: who ends the session tells those in it.
            if session.is_over() {
                return Err(not_paused());
            }
            if inner.now().checked_add(self.by).is_none() {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "no clock can hold a time so far ahead; advance by less",
                ));
            }
            inner.advances.push_back(request);
        }
        Ok((session, status))
    }
}

impl Future for Advance {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.asked.is_none() {
            this.asked = Some(this.ask(cx.waker())?);
        }
        let Some((session, status)) = &this.asked else { return Poll::Pending };
        let old = {
            let mut inner = session.lock();
            let all_came = inner.all_came();
            let found = inner.advances.iter_mut().find(|it| Arc::ptr_eq(&it.status, status));
            match found {
                Some(request) => {
                    if std::mem::take(&mut request.lingers) && !all_came {
                        this.turns += 1;
                        if this.turns < TURNS {
                            request.lingers = true;
                            drop(inner);
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        this.turns = 0;
                        inner.give_up();
                        None
                    } else {
                        Some(std::mem::replace(&mut request.waker, cx.waker().clone()))
                    }
                }
                None => None,
            }
        };
        quietly(|| drop(old));
        // Whoever awaits this may be no task of the loop, and then nobody else looks.
        session.check();
        match status.0.load(SeqCst) {
            0 => Poll::Pending,
            DONE => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(not_paused())),
        }
    }
}

impl Drop for Advance {
    fn drop(&mut self) {
        let Some((session, status)) = self.asked.take() else { return };
        let left = {
            let mut inner = session.lock();
            let at = inner.advances.iter().position(|it| Arc::ptr_eq(&it.status, &status));
            at.and_then(|at| inner.advances.remove(at))
        };
        if left.is_some() {
            quietly(|| drop(left));
            session.check();
        }
    }
}

impl Request {
    /// Returns where the time goes to, from `now`.
    pub(super) fn target(&mut self, now: Instant) -> Instant {
        *self.target.get_or_insert_with(|| now.checked_add(self.by).unwrap_or(now))
    }

    /// Makes who advances give others their turn; returns its waker, if it does not
    /// do so already.
    pub(super) fn linger(&mut self) -> Option<Waker> {
        (!std::mem::replace(&mut self.lingers, true)).then(|| self.waker.clone())
    }

    pub(super) fn done(self) -> Waker {
        self.end(DONE)
    }

    pub(super) fn over(self) -> Waker {
        self.end(OVER)
    }

    fn end(self, how: u8) -> Waker {
        self.status.0.store(how, SeqCst);
        self.waker
    }
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advance").field("by", &self.by).finish_non_exhaustive()
    }
}
