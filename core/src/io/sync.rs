//! The primitives of the waiters: the model checker has its own in their place, see
//! `tests/models`.

pub(super) use std::sync::atomic::Ordering::SeqCst;
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
