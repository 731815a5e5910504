//! Waits for one child, beside its exit and the end of its watcher.

use std::future::poll_fn;
use std::task::{Context, Poll};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use crate::sync::Mutex;
use crate::sync::wakers::{Seat, Wakers};

/// A thing that becomes known once: an outcome, or that a watcher is closed. Set as
/// `Record::settle` and `Gate::close` do it: first known, then told.
struct Known {
    value: Mutex<Option<u32>>,
    waiters: Wakers,
}

impl Known {
    fn new() -> Self {
        Self { value: Mutex::new(None), waiters: Wakers::default() }
    }

    fn get(&self) -> Option<u32> {
        *self.value.lock()
    }

    /// Returns false if it was known: the second who finds an exit.
    fn settle(&self, found: u32) -> bool {
        let mut value = self.value.lock();
        if value.is_some() {
            return false;
        }
        *value = Some(found);
        drop(value);
        self.waiters.wake_all();
        true
    }
}

/// A wait, as `Watch` does it: asks, is remembered, asks again.
struct Wait {
    of: Vec<(Arc<Known>, Option<Seat>)>,
}

impl Wait {
    fn on(of: &[&Arc<Known>]) -> Self {
        Self { of: of.iter().map(|known| ((*known).clone(), None)).collect() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<u32> {
        if let Some(value) = self.known() {
            return Poll::Ready(value);
        }
        for (known, place) in &mut self.of {
            known.waiters.join(place, cx.waker());
        }
        self.known().map_or(Poll::Pending, Poll::Ready)
    }

    fn known(&self) -> Option<u32> {
        self.of.iter().find_map(|(known, _)| known.get())
    }

    /// loom reports a wait that is never woken.
    fn wait(mut self) -> u32 {
        block_on(poll_fn(move |cx| self.poll(cx)))
    }

    fn poll_once(&mut self) -> Option<u32> {
        let polled = block_on(poll_fn(|cx| Poll::Ready(self.poll(cx))));
        match polled {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        for (known, place) in &mut self.of {
            known.waiters.leave(place);
        }
    }
}

/// In every interleaving with three preemptions: more find nothing new, and take long.
fn model(story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(story);
}

#[test]
fn a_wait_hears_of_an_exit_that_is_found_twice() {
    model(|| {
        let exit = Arc::new(Known::new());
        let find = |code| {
            let exit = exit.clone();
            thread::spawn(move || exit.settle(code))
        };
        let (one, other) = (find(7), find(8));
        let heard = Wait::on(&[&exit]).wait();
        let firsts = [one, other].map(|finder| finder.join().is_ok_and(|first| first));
        assert_eq!(firsts.iter().filter(|first| **first).count(), 1, "settled once");
        assert_eq!(Some(heard), exit.get(), "the same ever after");
    });
}

#[test]
fn each_of_two_waits_is_woken() {
    model(|| {
        let exit = Arc::new(Known::new());
        let wait = Wait::on(&[&exit]);
        let other = thread::spawn(move || wait.wait());
        let finder = thread::spawn({
            let exit = exit.clone();
            move || exit.settle(7)
        });
        assert_eq!(Wait::on(&[&exit]).wait(), 7);
        assert_eq!(other.join().ok(), Some(7));
        assert_eq!(finder.join().ok(), Some(true));
    });
}

#[test]
fn a_wait_that_is_dropped_takes_no_other_with_it() {
    model(|| {
        let exit = Arc::new(Known::new());
        let mut dropped = Wait::on(&[&exit]);
        let _unheard = dropped.poll_once();
        let finder = thread::spawn({
            let exit = exit.clone();
            move || exit.settle(7)
        });
        // Its place may be had again by the wait that begins now.
        let dropper = thread::spawn(move || drop(dropped));
        assert_eq!(Wait::on(&[&exit]).wait(), 7);
        assert!(finder.join().is_ok() && dropper.join().is_ok());
    });
}

#[test]
fn the_end_of_the_watcher_and_the_exit_each_end_a_wait() {
    model(|| {
        let (exit, gate) = (Arc::new(Known::new()), Arc::new(Known::new()));
        let closer = thread::spawn({
            let gate = gate.clone();
            move || gate.settle(0)
        });
        let finder = thread::spawn({
            let exit = exit.clone();
            move || exit.settle(7)
        });
        let heard = Wait::on(&[&exit, &gate]).wait();
        assert!(heard == 7 || heard == 0);
        assert!(closer.join().is_ok() && finder.join().is_ok());
        // A status that is there counts more than a watcher that is not.
        assert_eq!(Wait::on(&[&exit, &gate]).wait(), 7);
    });
}
