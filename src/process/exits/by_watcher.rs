//! Children that their watchers wait for: each future is polled when it was woken, and no
//! other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use policy_core::{Error, ExitFuture};

use crate::process::identity::{Claim, Outcome, Record};
use crate::process::wakers::lock;

#[derive(Default)]
pub(super) struct ByWatcher {
    waiting: HashMap<u64, (Claim, ExitFuture, Waker)>,
    last: u64,
    line: Arc<Line>,
}

/// Whose future was woken, in that order.
#[derive(Default)]
struct Line(Mutex<(VecDeque<u64>, Option<Waker>)>);

struct Caller {
    number: u64,
    line: Arc<Line>,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        let waker = {
            let mut line = lock(&self.line.0);
            line.0.push_back(self.number);
            line.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl ByWatcher {
    pub(super) fn push(&mut self, record: &Arc<Record>, exit: ExitFuture) {
        self.last += 1;
        let caller = Arc::new(Caller { number: self.last, line: self.line.clone() });
        // To be polled for the first time.
        lock(&self.line.0).0.push_back(self.last);
        self.waiting.insert(self.last, (Claim::new(record.clone()), exit, caller.into()));
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(u32, Result<ExitStatus, Error>)> {
        if self.waiting.is_empty() {
            return Poll::Pending;
        }
        loop {
            let number = {
                let mut line = lock(&self.line.0);
                let number = line.0.pop_front();
                if number.is_none() {
                    line.1 = Some(cx.waker().clone());
                }
                number
            };
            let Some(number) = number else { return Poll::Pending };
            let Some((claim, exit, waker)) = self.waiting.get_mut(&number) else { continue };
            let polled = Pin::new(exit).poll(&mut Context::from_waker(waker));
            let Poll::Ready(status) = polled else { continue };
            let record = claim.record();
            // What is known here comes first, as in `Child::wait`.
            let status = match (record.outcome(), status) {
                (Some(outcome), _) => outcome.into_result(),
                (None, Ok(status)) => {
                    record.settle(Outcome::Exited(status));
                    Ok(status)
                }
                (None, Err(error)) => Err(error),
            };
            let pid = record.pid();
            self.waiting.remove(&number);
            return Poll::Ready((pid, status));
        }
    }
}

impl fmt::Debug for ByWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.waiting.values().map(|(claim, ..)| claim)).finish()
    }
}
