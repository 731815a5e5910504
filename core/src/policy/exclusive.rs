//! A section that one thread at a time is in, as deep as it likes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

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
        if *lock(&self.owner) == Some(me) {
            return f();
        }
        let _section = lock(&self.section);
        *lock(&self.owner) = Some(me);
        let _leave = Leave(&self.owner);
        f()
    }
}

struct Leave<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        *lock(self.0) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
