//! The part of a ready queue that the thread which drives the loop has for itself: what
//! it adds there costs no lock.
//!
//! It is the run's, and empty when no run is: what is left goes back to the loop, since
//! the next run may be on another thread.
#![allow(unsafe_code, reason = "a run lends its lane to its thread for the time that it takes")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::Ready;
use super::local_tasks::Part;
use super::mail::Entry;
use super::sync::thread_local;

thread_local! {
    /// The lane of the run on this thread. Without a destructor, so that it can be asked
    /// while a thread ends.
    static DRIVEN: Cell<Option<NonNull<Lane>>> = const { Cell::new(None) };
}

/// What a run adds to without a lock.
pub(crate) struct Lane {
    /// Whose lane it is, as an address.
    ready: *const Ready,
    pub(super) queue: RefCell<VecDeque<Entry>>,
    /// The tasks that stay on this thread, once there are some.
    pub(super) part: RefCell<Option<Rc<Part>>>,
}

impl Lane {
    pub(crate) fn new(ready: &Ready) -> Self {
        Self { ready: ptr::from_ref(ready), queue: RefCell::default(), part: RefCell::new(None) }
    }

    #[inline]
    pub(super) fn pop(&self) -> Option<Entry> {
        self.queue.borrow_mut().pop_front()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }
}

/// Makes `lane` this thread's, until the guard is dropped.
pub(super) fn enter(lane: &Lane) -> Driving<'_> {
    let before = DRIVEN.with(|driven| driven.replace(Some(NonNull::from(lane))));
    Driving { before, _lane: PhantomData }
}

pub(super) struct Driving<'a> {
    before: Option<NonNull<Lane>>,
    _lane: PhantomData<(&'a Lane, *const ())>,
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        DRIVEN.with(|driven| driven.set(self.before));
    }
}

/// Returns true if this thread drives a loop.
pub(crate) fn is_here() -> bool {
    DRIVEN.with(Cell::get).is_some()
}

/// Calls `f` with the lane of `ready`, if this thread drives its loop.
#[inline]
pub(super) fn with<R>(ready: &Ready, f: impl FnOnce(&Lane) -> R) -> Option<R> {
    give(ready, (), |lane, ()| f(lane)).ok()
}

/// Adds to the lane of `ready`, if this thread drives its loop; else gives the entry back.
#[inline]
pub(super) fn push(ready: &Ready, entry: Entry) -> Result<(), Entry> {
    give(ready, entry, |lane, entry| lane.queue.borrow_mut().push_back(entry))
}

#[inline]
fn give<T, R>(ready: &Ready, given: T, f: impl FnOnce(&Lane, T) -> R) -> Result<R, T> {
    let Some(lane) = DRIVEN.with(Cell::get) else { return Err(given) };
    // SAFETY: `enter` borrows the lane for as long as its guard lives, which takes it out
    // of here again; the guard stays on this thread, below this call. (One that is
    // forgotten keeps a lane here that has gone: `Turn` owns it, and is never forgotten,
    // since the run pins it to its own stack.)
    let lane = unsafe { lane.as_ref() };
    if ptr::eq(lane.ready, ready) { Ok(f(lane, given)) } else { Err(given) }
}
