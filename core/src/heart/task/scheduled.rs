//! A cell that is its own waker, and the queue that it goes into.
#![allow(unsafe_code, reason = "a waker is a counted pointer, by `RawWaker`'s contract")]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::header::Header;

/// What runs a cell that is its own waker: the ready queue of a loop.
pub(crate) trait Home: Send + Sync {
    /// Queues a cell that was woken, from any thread.
    ///
    /// # Errors
    /// The cell, once the home is closed.
    fn push(&self, cell: Scheduled) -> Result<(), Scheduled>;
}

/// A cell in its queue. There is one per cell at most; dropping it takes the cell off.
pub(crate) struct Scheduled {
    cell: NonNull<Header>,
}

// SAFETY: it touches the header only, which is `Sync`, and has a counted reference.
// When that is the last one, runner and joiner are gone and have emptied the stage.
unsafe impl Send for Scheduled {}

impl Scheduled {
    /// Takes over a reference to a homed cell.
    pub(super) fn new(cell: NonNull<Header>) -> Self {
        Self { cell }
    }

    /// Returns which part of its home it belongs to; 0 is anybody's.
    #[inline]
    pub(crate) fn part(&self) -> u32 {
        // SAFETY: there is a reference, to a homed cell.
        unsafe { self.cell.as_ref().part() }
    }

    /// Takes the cell off its queue, so that it can be woken again. Returns under which
    /// key its home has the runner, unless the task is complete.
    #[inline]
    pub(crate) fn take(self) -> Option<u32> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the queue's reference, which is given up here, once.
        unsafe { Header::unschedule(this.cell) }
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        // SAFETY: as above.
        let _left = unsafe { Header::unschedule(self.cell) };
    }
}

/// Calls `f` with the waker of a homed cell, lent.
///
/// # Safety
/// By who has a reference to it.
#[inline]
pub(super) unsafe fn with_waker<R>(cell: NonNull<Header>, f: impl FnOnce(&Waker) -> R) -> R {
    // SAFETY: the table below keeps `RawWaker`'s contract. Lent and not dropped: no
    // reference is counted for it.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw(cell)) });
    f(&waker)
}

/// Returns true if `waker` is a cell's: it never panics.
pub(crate) fn is_cells(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &WAKERS)
}

fn raw(cell: NonNull<Header>) -> RawWaker {
    RawWaker::new(cell.as_ptr().cast_const().cast(), &WAKERS)
}

static WAKERS: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// # Safety
/// Of a pointer to the header of a homed cell, which is counted, as in the functions
/// below.
unsafe fn cell(data: *const ()) -> NonNull<Header> {
    // SAFETY: made from a `NonNull`, by `raw`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned has a reference.
    let cell = unsafe { cell(data) };
    // SAFETY: as above.
    unsafe { cell.as_ref() }.retain();
    raw(cell)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as above; the waker is consumed.
    unsafe {
        wake_by_ref(data);
        release(data);
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker has a reference to a homed cell.
    unsafe { Header::schedule(cell(data)) }
}

unsafe fn release(data: *const ()) {
    // SAFETY: the waker's reference, which goes with it.
    unsafe { Header::release(cell(data)) }
}
