//! The primitives of the ready queue: std's, or those of shuttle, which decides at each use
//! of one which thread goes on (`core/tests/shuttle.rs`).

#[cfg(not(shuttle))]
mod real {
    pub(crate) use crate::sync::Mutex;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8};
    pub(crate) use std::thread_local;
}

#[cfg(shuttle)]
mod real {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU8};
    pub(crate) use shuttle::thread_local;

    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            crate::sync::whole(self.0.lock())
        }

        pub(crate) fn try_lock(&self) -> Option<shuttle::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}

pub(crate) use real::{AtomicBool, AtomicU8, Mutex, thread_local};
