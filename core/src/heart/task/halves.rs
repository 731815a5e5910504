//! The halves of a task: what an executor polls, what an owner awaits, and what
//! aborts.
//!
//! Each has a counted reference to the [`Cell`] and gives it up as
//! soon as it has done its part. What a half may touch is said in `cell`.
#![allow(unsafe_code, reason = "a reference to a cell is counted by hand, in its state word")]

use std::mem::{self, ManuallyDrop};
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::cell::{Cell, Join, Run, let_go};
use super::current::Id;
use super::error::JoinError;
use super::header::{Completed, Header};
use super::scheduled::{Home, with_waker};
use crate::sync::{quietly, wake, wakers::WakerId};

/// Makes the two halves of a task that may move between threads.
pub(super) fn split_send<F>(future: F) -> (Runner<dyn Run + Send>, Joiner<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let cell = Cell::allocate(future);
    (Runner::new(cell), Joiner::new(cell))
}

/// Makes the two halves of a task that runs from the queue of `home`.
pub(super) fn split_homed<F>(
    future: F,
    home: Arc<dyn Home>,
) -> (Runner<dyn Run + Send>, Joiner<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let cell = Cell::allocate_homed(future, home, 0);
    (Runner::new(cell), Joiner::new(cell))
}

/// Makes the two halves of a task that runs from the queue of `home`, on this thread,
/// which is its part `part`.
pub(super) fn split_homed_local<F>(
    future: F,
    home: Arc<dyn Home>,
    part: u32,
) -> (Runner<dyn Run>, Joiner<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let cell = Cell::allocate_homed(future, home, part);
    (Runner::new(cell), Joiner::new(cell))
}

/// A counted reference to a cell. Not an `Arc`: the count is in the state word, so
/// that a half can end its part and give its reference up in one step, and the last
/// reference in none.
struct Ref<C: ?Sized> {
    cell: NonNull<C>,
}

impl<C: ?Sized> Ref<C> {
    /// The header, also of a cell whose type is not known here.
    fn at(&self) -> NonNull<Header> {
        self.cell.cast()
    }

    fn header(&self) -> &Header {
        // SAFETY: a cell begins with its header (`repr(C)`), and is there for as long
        // as this counts.
        unsafe { self.at().as_ref() }
    }

    fn get(&self) -> &C {
        // SAFETY: as above; what is not behind `UnsafeCell` never changes.
        unsafe { self.cell.as_ref() }
    }

    /// Another reference, to what is the same in cells of any type.
    fn another(&self) -> Ref<Header> {
        self.header().retain();
        Ref { cell: self.at() }
    }
}

impl<C: ?Sized> Drop for Ref<C> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this counted, and does no more.
        unsafe { Header::release(self.at()) }
    }
}

/// What a half has: its reference, until it has done its part.
enum Half<C: ?Sized> {
    Here(Ref<C>),
    Gone(Id),
}

impl<C: ?Sized> Half<C> {
    fn id(&self) -> Id {
        match self {
            Self::Here(cell) => cell.header().id(),
            Self::Gone(id) => *id,
        }
    }

    fn aborter(&self) -> Aborter {
        match self {
            Self::Here(cell) => Aborter { id: cell.header().id(), cell: Some(cell.another()) },
            Self::Gone(id) => Aborter { id: *id, cell: None },
        }
    }

    /// Takes the reference out, if it is still here.
    fn leave(&mut self) -> Option<Ref<C>> {
        let gone = Self::Gone(self.id());
        match mem::replace(self, gone) {
            Self::Here(cell) => Some(cell),
            Self::Gone(_) => None,
        }
    }
}

/// The half that polls. There is one per cell.
pub(super) struct Runner<R: Run + ?Sized> {
    half: Half<R>,
}

// SAFETY: the future and the result of such a cell are `Send`; the stage is touched
// by one side at a time, which the state word hands over with acquire and release.
unsafe impl Send for Runner<dyn Run + Send> {}
// SAFETY: `&Runner` touches the header only, which is `Sync`.
unsafe impl Sync for Runner<dyn Run + Send> {}

impl<R: Run + ?Sized> Runner<R> {
    fn new(cell: NonNull<R>) -> Self {
        Self { half: Half::Here(Ref { cell }) }
    }

    pub(super) fn id(&self) -> Id {
        self.half.id()
    }

    pub(super) fn aborter(&self) -> Aborter {
        self.half.aborter()
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Half::Here(cell) = &self.half else { return Poll::Ready(()) };
        // SAFETY: `&mut` to the only runner of this cell, not complete.
        if unsafe { cell.get().poll(cx) }.is_pending() {
            return Poll::Pending;
        }
        let is_homed = cell.header().is_homed();
        self.complete((!is_homed).then_some(cx.waker()));
        Poll::Ready(())
    }

    /// Polls a homed cell, by its own waker.
    #[inline]
    pub(super) fn poll_homed(&mut self) -> Poll<()> {
        let Half::Here(cell) = &self.half else { return Poll::Ready(()) };
        let at = cell.at();
        // SAFETY: the runner has a reference, and keeps it for the time of the call:
        // it is given up after the poll, at the earliest, when the waker is not used
        // any more.
        unsafe { with_waker(at, |waker| self.poll(&mut Context::from_waker(waker))) }
    }

    /// Puts the cell into the queue of its home, if it has one.
    pub(super) fn schedule(&self) {
        if let Half::Here(cell) = &self.half {
            if cell.header().is_homed() {
                // SAFETY: it is homed, and the runner has a reference.
                unsafe { Header::schedule(cell.at()) }
            }
        }
    }

    /// Remembers where the home keeps this runner.
    #[inline]
    pub(super) fn keep_at(&self, key: u32) {
        if let Half::Here(cell) = &self.half {
            cell.header().keep_at(key);
        }
    }

    /// Leaves the task to itself: neither dropped nor cancelled.
    pub(super) fn forget(&mut self) {
        mem::forget(self.half.leave());
    }

    /// Says that the result is there, and leaves.
    #[inline]
    fn complete(&mut self, executor: Option<&Waker>) {
        let Some(cell) = self.half.leave() else { return };
        // Not dropped: `complete` may have given the reference up.
        let cell = ManuallyDrop::new(cell);
        // SAFETY: the runner, once.
        match unsafe { Header::complete(cell.at(), executor) } {
            Completed::Released => {}
            Completed::Held { detached, join_waker } => {
                let cell = ManuallyDrop::into_inner(cell);
                if detached {
                    // SAFETY: detached before it was complete: the stage stays ours.
                    unsafe { cell.get().discard() };
                }
                // First, so that whoever is woken finds that it has the last one.
                drop(cell);
                wake(join_waker);
            }
        }
    }
}

impl<R: Run + ?Sized> Drop for Runner<R> {
    fn drop(&mut self) {
        if let Half::Here(cell) = &self.half {
            // SAFETY: `&mut` to the only runner of this cell, which is not complete.
            unsafe { cell.get().cancel() };
            self.complete(None);
        }
    }
}

/// The half that takes the result. There is one per cell.
pub(super) struct Joiner<T> {
    half: Half<dyn Join<T>>,
    registered: WakerId,
}

// SAFETY: a joiner touches the header, which is `Sync`, and the result: nothing
// else of the cell. The future of a local task is dropped by its runner, on the
// runner's thread, before the result can be seen; so the last reference to the
// cell never drops a future.
unsafe impl<T: Send> Send for Joiner<T> {}
// SAFETY: `&Joiner` touches the header only.
unsafe impl<T: Send> Sync for Joiner<T> {}

impl<T> Joiner<T> {
    fn new(cell: NonNull<dyn Join<T>>) -> Self {
        Self { half: Half::Here(Ref { cell }), registered: WakerId::default() }
    }

    pub(super) fn id(&self) -> Id {
        self.half.id()
    }

    pub(super) fn aborter(&self) -> Aborter {
        self.half.aborter()
    }

    pub(super) fn is_complete(&self) -> bool {
        match &self.half {
            Half::Here(cell) => cell.header().status().is_complete(),
            Half::Gone(_) => true,
        }
    }

    pub(super) fn abort(&self) {
        if let Half::Here(cell) = &self.half {
            cell.header().abort();
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let Half::Here(cell) = &self.half else {
            return Poll::Ready(Err(JoinError::taken(self.id())));
        };
        // SAFETY: `&mut` to the only joiner of this cell.
        if unsafe { !cell.header().register_join(cx.waker(), &mut self.registered) } {
            return Poll::Pending;
        }
        // SAFETY: complete, and the joiner is here: the stage is ours.
        let result = unsafe { cell.get().take() };
        // SAFETY: as above.
        unsafe { cell.header().leave_executor() };
        drop(self.half.leave());
        Poll::Ready(result)
    }
}

impl<T> Drop for Joiner<T> {
    fn drop(&mut self) {
        let Some(cell) = self.half.leave() else { return };
        // SAFETY: `&mut` to the only joiner of this cell.
        unsafe { cell.header().unregister_join(&mut self.registered) };
        // Not dropped: `detach` may give the reference up.
        let cell = ManuallyDrop::new(cell);
        // SAFETY: the joiner, once.
        if unsafe { Header::detach(cell.at()) } {
            let cell = ManuallyDrop::into_inner(cell);
            // The panic of a destructor is swallowed, as it is where the runner
            // drops the result of a detached task: it must not matter who is first.
            // SAFETY: complete before it was detached: the stage is ours.
            let unwanted = unsafe { cell.get().take() };
            // SAFETY: as above.
            unsafe { cell.header().leave_executor() };
            quietly(|| let_go(cell.header().id(), unwanted));
        }
    }
}

/// What aborts a task, from any thread. There may be many per cell.
pub(super) struct Aborter {
    id: Id,
    /// `None`: it was complete when this was made.
    cell: Option<Ref<Header>>,
}

// SAFETY: an aborter touches the header only, which is `Sync`; and when it holds
// the last reference, runner and joiner are gone and have emptied the stage.
unsafe impl Send for Aborter {}
// SAFETY: as above.
unsafe impl Sync for Aborter {}

impl Aborter {
    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn is_complete(&self) -> bool {
        self.cell.as_ref().is_none_or(|cell| cell.header().status().is_complete())
    }

    pub(super) fn abort(&self) {
        if let Some(cell) = &self.cell {
            cell.header().abort();
        }
    }
}

impl Clone for Aborter {
    fn clone(&self) -> Self {
        Self { id: self.id, cell: self.cell.as_ref().map(Ref::another) }
    }
}
