//! Several tasks that wait for one source, beside what makes it ready.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::sync::Mutex;
use crate::waiters::Waiters;

/// A source with one waker, as reactors have them: who polls leaves its waker first, also
/// if it need not wait.
#[derive(Default)]
struct Source {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is there to be taken.
    items: u32,
    waker: Option<Waker>,
}

impl Source {
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let former = state.waker.replace(cx.waker().clone());
        let taken = state.items.checked_sub(1);
        state.items = taken.unwrap_or(0);
        drop(state);
        drop(former);
        taken.map_or(Poll::Pending, |_| Poll::Ready(()))
    }

    /// An event of the reactor.
    fn give(&self, items: u32) {
        let mut state = self.state.lock();
        state.items += items;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Shared {
    source: Source,
    waiters: Waiters,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { source: Source::default(), waiters: Waiters::new() })
    }

    /// As `SharedSource::poll_io`.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(version) = self.waiters.knows(cx.waker()) {
            let polled = self.source.poll_take(cx);
            if self.waiters.end(version, polled.is_pending()) || polled.is_ready() {
                return polled;
            }
        }
        self.waiters.poll(cx, |cx| self.source.poll_take(cx))
    }

    /// loom reports a task that waits for ever.
    fn take(&self) {
        block_on(poll_fn(|cx| self.poll_take(cx)));
    }

    /// A task that begins to wait, and does not come back.
    fn poll_once(&self) -> bool {
        block_on(poll_fn(|cx| Poll::Ready(self.poll_take(cx).is_ready())))
    }
}

/// In every interleaving with so many preemptions.
fn model(preemptions: usize, story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(story);
}

fn taker(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || shared.take())
}

#[test]
fn a_sole_waiter_is_woken() {
    model(3, || {
        let shared = Shared::new();
        let taker = taker(&shared);
        shared.source.give(1);
        assert!(taker.join().is_ok());
    });
}

#[test]
fn two_waiters_take_what_comes_at_once() {
    model(2, || {
        let shared = Shared::new();
        let takers = [taker(&shared), taker(&shared)];
        shared.source.give(2);
        assert!(takers.into_iter().all(|taker| taker.join().is_ok()));
    });
}

#[test]
fn two_waiters_take_what_comes_one_by_one() {
    model(2, || {
        let shared = Shared::new();
        let takers = [taker(&shared), taker(&shared)];
        shared.source.give(1);
        shared.source.give(1);
        assert!(takers.into_iter().all(|taker| taker.join().is_ok()));
    });
}

#[test]
fn one_who_waits_no_more_keeps_nobody_from_waiting() {
    model(2, || {
        let shared = Shared::new();
        assert!(!shared.poll_once());
        let taker = taker(&shared);
        shared.source.give(2);
        shared.take();
        assert!(taker.join().is_ok());
    });
}

#[test]
fn the_last_of_several_is_on_its_own_again() {
    model(2, || {
        let shared = Shared::new();
        // Three, of whom the second took a place and the third made it a queue.
        for _ in 0..3 {
            assert!(!shared.poll_once());
        }
        // Woken, and out of the queue.
        shared.source.give(16);
        for _ in 0..16 {
            shared.take();
        }
        let takers = [taker(&shared), taker(&shared)];
        shared.source.give(2);
        assert!(takers.into_iter().all(|taker| taker.join().is_ok()));
    });
}

#[test]
fn who_leaves_takes_no_other_with_it() {
    model(2, || {
        let shared = Shared::new();
        for _ in 0..3 {
            assert!(!shared.poll_once());
        }
        let taker = taker(&shared);
        let left = block_on(poll_fn(|cx| {
            assert!(shared.poll_take(cx).is_pending());
            Poll::Ready(cx.waker().clone())
        }));
        shared.waiters.leave(&left);
        shared.source.give(1);
        assert!(taker.join().is_ok());
    });
}
