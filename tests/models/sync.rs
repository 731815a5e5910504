//! What `core/src/sync` is there: the same, over the model checker's locks.

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};

pub(crate) use loom::sync::MutexGuard;

pub(crate) use crate::atomics::{AtomicBool, AtomicUsize};

#[path = "../../core/src/sync/quiet.rs"]
#[allow(unreachable_pub, reason = "not all of it is looked at here")]
mod quiet;
#[path = "../../core/src/sync/wakers.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is looked at here")]
pub(crate) mod wakers;

pub(crate) use quiet::wake;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) fn pause(_looks: u32) {
    loom::thread::yield_now();
}
