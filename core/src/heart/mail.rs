//! What is ready and came from elsewhere, or while nobody drives the loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::callback;
use crate::task::{Homed, Scheduled};

/// Something that is ready.
pub(super) enum Entry {
    /// The main future of the run.
    Main,
    /// A task that was not polled yet.
    Spawned(Homed),
    /// A task that was woken.
    Woken(Scheduled),
    Call(callback::Entry),
}

pub(super) struct Mail {
    pub(super) entries: VecDeque<Entry>,
    /// The tasks that were polled and wait, under the keys that their cells remember.
    /// With the run, while there is one.
    pub(super) living: Slab<Homed>,
    pub(super) driver: Driver,
    /// Counts pumps, so that one that comes late knows that it is not the one.
    pub(super) pumps: u64,
    /// The driver's. Shared, since to clone a waker may run code that comes to this lock.
    pub(super) waker: Option<Arc<Waker>>,
    /// A pump is running a batch.
    pub(super) busy: bool,
    pub(super) closed: bool,
}

/// Who runs what is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Nobody,
    Run,
    Pump(u64),
}

impl Mail {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            living: Slab::new(),
            driver: Driver::Nobody,
            pumps: 0,
            waker: None,
            busy: false,
            closed: false,
        }
    }

    pub(super) fn has_calls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Call(_)))
    }

    pub(super) fn start_pump(&mut self, pumped: bool) -> Option<Driver> {
        if !pumped || self.closed || self.driver != Driver::Nobody || !self.has_calls() {
            return None;
        }
        self.pumps += 1;
        self.driver = Driver::Pump(self.pumps);
        Some(self.driver)
    }
}

/// Drops what will not be run: tasks are cancelled so, callbacks are told.
pub(super) fn discard(entries: VecDeque<Entry>, living: Slab<Homed>) {
    for entry in entries {
        if let Entry::Call(call) = &entry {
            callback::discard(call);
        }
        drop(entry);
    }
    drop(living);
}
