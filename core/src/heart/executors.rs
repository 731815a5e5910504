//! Which wakers are the executors' own.
//!
//! A reactor may be given these as they are. Anybody else's may panic, and is called where
//! that harms nobody else.

use std::ptr;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{RawWakerVTable, Waker};

use crate::task::is_cells;

/// The tables of the wakers by which tasks and main futures were polled. An executor has
/// one or two of them; one for which there is no room is anybody's.
static TABLES: [AtomicPtr<RawWakerVTable>; 8] = [const { AtomicPtr::new(ptr::null_mut()) }; 8];

/// Notes that an executor polls by this waker.
pub(crate) fn note(waker: &Waker) {
    let table = ptr::from_ref(waker.vtable()).cast_mut();
    for place in &TABLES {
        match place.compare_exchange(ptr::null_mut(), table, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(known) if known == table => return,
            Err(_) => {}
        }
    }
}

/// Returns true if the waker is of a kind by which executors poll.
pub(crate) fn is_executors(waker: &Waker) -> bool {
    if is_cells(waker) {
        return true;
    }
    let table = ptr::from_ref(waker.vtable()).cast_mut();
    TABLES.iter().map(|place| place.load(Relaxed)).any(|known| known == table)
}
