//! The locks of what the model checker looks at, which has its own in their place: see
//! `tests/models`.

pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
