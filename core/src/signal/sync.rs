//! The primitives of the holders: the model checker has its own in their place, see
//! `tests/models`.

use std::time::Duration;

pub(super) use std::sync::atomic::Ordering::{AcqRel, Acquire};
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Lets another thread go on.
pub(super) fn pause(looks: u32) {
    if looks < 100 {
        std::thread::yield_now();
    } else {
        // It may have less priority than this one, and no processor of its own.
        std::thread::sleep(Duration::from_micros(50));
    }
}
