//! Holds of a signal that come and go, beside handlers that find that nobody wants it.

use loom::sync::Arc;
use loom::thread;

use crate::atomics::{AtomicBool, AtomicUsize};
use crate::holders::Holders;
use crate::sync::{AcqRel, Mutex};

/// A signal: what is in place for it, and who wants it.
struct Signal {
    /// As the system keeps it: changed, and read, in one order for all.
    is_ours: AtomicBool,
    holders: Holders,
    /// One at a time comes or goes.
    table: Mutex<()>,
    heard: AtomicUsize,
    defaults: AtomicUsize,
}

impl Signal {
    /// Held by nobody any more, while handlers may still be at work: ours is in place.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            is_ours: AtomicBool::new(true),
            holders: Holders {
                count: AtomicUsize::new(0),
                is_armed: AtomicBool::new(false),
                leaving: AtomicUsize::new(0),
            },
            table: Mutex::new(()),
            heard: AtomicUsize::new(0),
            defaults: AtomicUsize::new(0),
        })
    }

    fn is_ours(&self) -> bool {
        self.is_ours.fetch_or(false, AcqRel)
    }

    /// As `Hold::acquire`.
    fn hold(&self) {
        let _table = self.table.lock();
        self.holders.add();
        self.put_in_place();
    }

    /// As `Hold::interrupt`.
    fn arm(&self) {
        let _table = self.table.lock();
        self.holders.arm();
        self.put_in_place();
    }

    fn put_in_place(&self) {
        if !self.is_ours() {
            self.is_ours.swap(true, AcqRel);
        }
    }

    /// As `Hold::release`.
    fn release(&self) {
        let _table = self.table.lock();
        self.holders.remove();
        if !self.holders.any_or_armed() && self.is_ours() {
            self.is_ours.swap(false, AcqRel);
        }
    }

    /// As `deliver` of the handler.
    fn handle(&self) {
        if self.holders.any() {
            self.heard.fetch_add(1, AcqRel);
            return;
        }
        if !self.is_ours() {
            return;
        }
        let is_for_run = self.holders.disarm();
        let has_left = self.holders.leave(
            || true,
            || {
                self.is_ours.swap(false, AcqRel);
                true
            },
        );
        let to = if !is_for_run && has_left { &self.defaults } else { &self.heard };
        to.fetch_add(1, AcqRel);
    }
}

fn handler(signal: &Arc<Signal>) -> thread::JoinHandle<()> {
    let signal = signal.clone();
    thread::spawn(move || signal.handle())
}

fn model(preemptions: usize, story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(story);
}

#[test]
fn a_hold_that_begins_while_a_handler_leaves_is_not_deaf() {
    model(3, || {
        let signal = Signal::new();
        let handles = handler(&signal);
        signal.hold();
        // Not for a moment, either.
        assert!(signal.is_ours());
        assert!(handles.join().is_ok());
        assert!(signal.is_ours());
        assert_eq!(signal.heard.fetch_add(0, AcqRel) + signal.defaults.fetch_add(0, AcqRel), 1);
    });
}

#[test]
fn holds_that_come_and_go_beside_a_handler_are_not_deaf_and_leave_the_default() {
    model(2, || {
        let signal = Signal::new();
        let handles = handler(&signal);
        for _ in 0..2 {
            signal.hold();
            assert!(signal.is_ours());
            signal.release();
        }
        assert!(handles.join().is_ok());
        assert!(!signal.is_ours());
    });
}

#[test]
fn a_hold_beside_two_handlers_is_not_deaf_and_leaves_the_default() {
    model(1, || {
        let signal = Signal::new();
        let handlers = [handler(&signal), handler(&signal)];
        signal.hold();
        assert!(signal.is_ours());
        signal.release();
        assert!(handlers.into_iter().all(|handles| handles.join().is_ok()));
        assert!(!signal.is_ours());
    });
}

#[test]
fn of_two_threads_that_hold_beside_a_handler_none_is_deaf() {
    model(2, || {
        let signal = Signal::new();
        let handles = handler(&signal);
        let other = {
            let signal = signal.clone();
            thread::spawn(move || {
                signal.hold();
                assert!(signal.is_ours());
                signal.release();
            })
        };
        signal.hold();
        assert!(signal.is_ours());
        assert!(handles.join().is_ok() && other.join().is_ok());
        assert!(signal.is_ours());
    });
}

#[test]
fn a_run_that_begins_while_a_handler_leaves_is_told_or_armed() {
    model(3, || {
        let signal = Signal::new();
        let handles = handler(&signal);
        signal.arm();
        assert!(handles.join().is_ok());
        let was_told = signal.heard.fetch_add(0, AcqRel) == 1;
        assert!(was_told || signal.is_ours() && signal.holders.disarm());
    });
}

#[test]
fn of_two_interrupts_the_second_meets_the_default() {
    model(3, || {
        let signal = Signal::new();
        signal.arm();
        let handlers = [handler(&signal), handler(&signal)];
        assert!(handlers.into_iter().all(|handles| handles.join().is_ok()));
        assert!(!signal.is_ours());
        assert!(signal.heard.fetch_add(0, AcqRel) >= 1);
    });
}
