//! The ground: what code behind locks is careful about. `tests/models` has the model checker's
//! own in its place.

mod lock;
mod quiet;
pub mod wakers;

pub(crate) use std::sync::atomic::Ordering::SeqCst;
#[cfg(unix)]
pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire};
#[cfg(any(unix, windows))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};

pub(crate) use lock::whole;
pub use lock::{Condvar, Mutex, MutexGuard};
pub use quiet::{isolated, quietly, wake};

/// Lets another thread go on.
#[cfg(unix)]
pub(crate) fn pause(looks: u32) {
    if looks < 100 {
        std::thread::yield_now();
    } else {
        // It may have less priority than this one, and no processor of its own.
        std::thread::sleep(std::time::Duration::from_micros(50));
    }
}
