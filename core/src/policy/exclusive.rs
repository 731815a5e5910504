//! A section that one thread at a time is in, as deep as it likes.

use std::thread::{self, ThreadId};

use crate::sync::Mutex;

/// A lock that the thread which holds it may take again: making a loop may ask for
/// the loop of another context.
#[derive(Debug, Default)]
pub(super) struct Exclusive {
    section: Mutex<()>,
    owner: Mutex<Option<ThreadId>>,
}

impl Exclusive {
    pub(super) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let me = thread::current().id();
        if *self.owner.lock() == Some(me) {
            return f();
        }
        let _section = self.section.lock();
        *self.owner.lock() = Some(me);
        let _leave = Leave(&self.owner);
        f()
    }
}

struct Leave<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
