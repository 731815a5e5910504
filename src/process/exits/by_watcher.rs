//! Children that their watchers wait for: each future is polled when it was woken, and no
//! other.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use policy_core::sync::{Mutex, wakers};
use policy_core::{Error, ExitFuture};

use crate::process::identity::{Claim, Outcome, Record};

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
            let mut line = self.line.0.lock();
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
        self.line.0.lock().0.push_back(self.last);
        self.waiting.insert(self.last, (Claim::new(record.clone()), exit, caller.into()));
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(u32, Result<ExitStatus, Error>)> {
        if self.waiting.is_empty() {
            return Poll::Pending;
        }
        while let Some(number) = self.line.next_or_wait(cx) {
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
        Poll::Pending
    }
}

impl Line {
    /// Takes who is next, or keeps the waker of who waits for that: under one lock, so that
    /// nobody comes in between.
    fn next_or_wait(&self, cx: &Context<'_>) -> Option<u64> {
        let mut clone = None;
        loop {
            let mut line = self.0.lock();
            let next = line.0.pop_front();
            if next.is_some() || wakers::leave(line, |line| &mut line.1, &mut clone, cx.waker()) {
                return next;
            }
        }
    }
}

impl fmt::Debug for ByWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.waiting.values().map(|(claim, ..)| claim)).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Calls when the last waker of it is dropped.
    struct OnDrop(Box<dyn Fn() + Send + Sync>);

    impl Wake for OnDrop {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for OnDrop {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    // It was dropped under the lock.
    #[test]
    fn a_waker_that_is_replaced_may_wake_a_future_of_the_line() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let record = Record::of_pid(child.id()).unwrap();
        let (send, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let own = Arc::new(Mutex::new(None::<Waker>));
            let kept = own.clone();
            let mut exits = ByWatcher::default();
            exits.push(
                &record,
                ExitFuture::new(poll_fn(move |cx| {
                    *kept.lock() = Some(cx.waker().clone());
                    Poll::Pending
                })),
            );
            for _ in 0..2 {
                let own = own.clone();
                let call = move || {
                    if let Some(waker) = &*own.lock() {
                        waker.wake_by_ref();
                    }
                };
                let waker = Waker::from(Arc::new(OnDrop(Box::new(call))));
                assert!(exits.poll(&mut Context::from_waker(&waker)).is_pending());
            }
            send.send(())
        });
        let in_time = ended.recv_timeout(Duration::from_secs(60));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(in_time.is_ok(), "it waits for itself");
        thread.join().unwrap().unwrap();
    }
}
