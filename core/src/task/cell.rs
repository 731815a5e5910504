//! The cell that a task's two halves share: future, result, two wakers, one
//! word of state. One allocation, no lock.
//!
//! Who may touch what is decided by the bits of the state word:
//!
//! - *stage* (the future, then the result) belongs to the [`Runner`] until
//!   `COMPLETE` is set. From then on it belongs to the [`Joiner`], unless
//!   `DETACHED` came first: then the runner empties it.
//! - *join waker* is written by the joiner while `JOIN_WAKER` is clear, and only
//!   read (by either side) while it is set. The joiner may clear the bit only
//!   while `COMPLETE` is not set.
//! - *run waker* is written by the runner while `RUN_WAKER` is clear, and only
//!   read while it is set. The runner may clear the bit only while `ABORTED` is
//!   not set; the one aborter that sets `ABORTED` reads it, once.
//!
//! The interleavings are proved with loom (`core/tests/loom.rs`).
#![allow(unsafe_code, reason = "the cell is shared by halves that own parts of it in turn")]

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::{Context, Poll, Waker};

use super::current::{self, Id};
use super::error::JoinError;
use super::sync::{AtomicUsize, UnsafeCell};

/// The result is in the stage, and the future is gone.
const COMPLETE: usize = 1;
/// Somebody asked for the task to be cancelled.
const ABORTED: usize = 1 << 1;
/// The joiner is gone: nobody will take the result.
const DETACHED: usize = 1 << 2;
/// The join waker is set.
const JOIN_WAKER: usize = 1 << 3;
/// The run waker is set.
const RUN_WAKER: usize = 1 << 4;

enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, JoinError>),
    Empty,
}

struct Header {
    state: AtomicUsize,
    id: Id,
    join_waker: UnsafeCell<Option<Waker>>,
    run_waker: UnsafeCell<Option<Waker>>,
}

pub(super) struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

// SAFETY: the stage is touched by one side at a time, which the state word hands
// over with acquire and release; wakers are `Send + Sync`. Both sides may be on
// any thread, so future and result must be `Send`.
unsafe impl<F: Future + Send> Send for Cell<F> where F::Output: Send {}
// SAFETY: as above; `&Cell` gives no access but through the protocol.
unsafe impl<F: Future + Send> Sync for Cell<F> where F::Output: Send {}

/// Makes the two halves of a task that may move between threads.
pub(super) fn split_send<F>(future: F) -> (Runner<dyn Run + Send + Sync>, Joiner<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let cell = Arc::new(Cell::new(future));
    (Runner { cell: cell.clone() }, Joiner { cell, taken: false })
}

/// Makes the two halves of a task whose future stays on this thread.
pub(super) fn split_local<F>(future: F) -> (Runner<dyn Run>, Joiner<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let cell = Arc::new(Cell::new(future));
    (Runner { cell: cell.clone() }, Joiner { cell, taken: false })
}

/// The half that polls. There is one per cell.
pub(super) struct Runner<R: Run + ?Sized> {
    cell: Arc<R>,
}

impl<R: Run + ?Sized> Runner<R> {
    pub(super) fn id(&self) -> Id {
        self.cell.header().id
    }

    pub(super) fn aborter(&self) -> Aborter {
        Aborter { cell: self.cell.clone().as_abort() }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `&mut` to the only runner of this cell.
        unsafe { self.cell.poll(cx) }
    }
}

impl<R: Run + ?Sized> Drop for Runner<R> {
    fn drop(&mut self) {
        if self.cell.header().state.load(Relaxed) & COMPLETE == 0 {
            // SAFETY: `&mut` to the only runner of this cell, which is not complete.
            unsafe { self.cell.cancel() }
        }
    }
}

/// The half that takes the result. There is one per cell.
pub(super) struct Joiner<T> {
    cell: Arc<dyn Join<T>>,
    taken: bool,
}

// SAFETY: a joiner touches the header, which is `Sync`, and the result: nothing
// else of the cell. The future of a local task is dropped by its runner, on the
// runner's thread, before the result can be seen; so the last reference to the
// cell never drops a future.
unsafe impl<T: Send> Send for Joiner<T> {}
// SAFETY: `&Joiner` touches the header only.
unsafe impl<T: Send> Sync for Joiner<T> {}

impl<T> Joiner<T> {
    pub(super) fn id(&self) -> Id {
        self.cell.header().id
    }

    pub(super) fn aborter(&self) -> Aborter
    where
        T: 'static,
    {
        Aborter { cell: self.cell.clone().as_abort() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.cell.header().is_complete()
    }

    pub(super) fn abort(&self) {
        self.cell.header().abort();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if self.taken {
            return Poll::Ready(Err(JoinError::taken(self.id())));
        }
        // SAFETY: `&mut` to the only joiner of this cell.
        if unsafe { !self.cell.header().register_join(cx.waker()) } {
            return Poll::Pending;
        }
        self.taken = true;
        // SAFETY: complete, and the joiner is here: the stage is ours.
        Poll::Ready(unsafe { self.cell.take() })
    }
}

impl<T> Drop for Joiner<T> {
    fn drop(&mut self) {
        let before = self.cell.header().state.fetch_or(DETACHED, AcqRel);
        if before & COMPLETE != 0 && !self.taken {
            // SAFETY: complete before it was detached: the stage is ours.
            drop(unsafe { self.cell.take() });
        }
    }
}

/// What aborts a task, from any thread. There may be many per cell.
#[derive(Clone)]
pub(super) struct Aborter {
    cell: Arc<dyn Abort>,
}

// SAFETY: an aborter touches the header only, which is `Sync`; and when it holds
// the last reference, runner and joiner are gone and have emptied the stage.
unsafe impl Send for Aborter {}
// SAFETY: as above.
unsafe impl Sync for Aborter {}

impl Aborter {
    pub(super) fn id(&self) -> Id {
        self.cell.header().id
    }

    pub(super) fn is_complete(&self) -> bool {
        self.cell.header().is_complete()
    }

    pub(super) fn abort(&self) {
        self.cell.header().abort();
    }
}

trait Abort {
    fn header(&self) -> &Header;
}

/// What a [`Runner`] does with a cell of any type.
#[allow(private_interfaces, reason = "the trait is named outside only as a bound of `Runner`")]
pub(super) trait Run {
    fn header(&self) -> &Header;

    fn as_abort(self: Arc<Self>) -> Arc<dyn Abort>;

    /// # Safety
    /// By the only runner of this cell.
    unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn cancel(&self);
}

trait Join<T> {
    fn header(&self) -> &Header;

    fn as_abort(self: Arc<Self>) -> Arc<dyn Abort>
    where
        T: 'static;

    /// # Safety
    /// By the only joiner of this cell, complete before it was detached.
    unsafe fn take(&self) -> Result<T, JoinError>;
}

impl Header {
    fn is_complete(&self) -> bool {
        self.state.load(Acquire) & COMPLETE != 0
    }

    fn abort(&self) {
        let before = self.state.fetch_or(ABORTED, AcqRel);
        if before & (ABORTED | COMPLETE) == 0 && before & RUN_WAKER != 0 {
            // SAFETY: this call set `ABORTED` while `RUN_WAKER` was set: from
            // here on nobody writes the run waker.
            self.run_waker.with(|waker| unsafe { wake(waker) });
        }
    }

    /// Returns true if the result is there; else `waker` is registered.
    ///
    /// # Safety
    /// By the only joiner of this cell.
    unsafe fn register_join(&self, waker: &Waker) -> bool {
        // SAFETY: the joiner writes while the bit is clear, and may clear it
        // while the task is not complete.
        unsafe { register(&self.state, &self.join_waker, JOIN_WAKER, COMPLETE, waker) }
    }

    /// Returns true if the task was aborted; else `waker` is registered.
    ///
    /// # Safety
    /// By the only runner of this cell.
    unsafe fn register_run(&self, waker: &Waker) -> bool {
        // SAFETY: the runner writes while the bit is clear, and may clear it
        // while the task is not aborted.
        unsafe { register(&self.state, &self.run_waker, RUN_WAKER, ABORTED, waker) }
    }

    /// Says that the result is in the stage. Returns true if nobody wants it.
    ///
    /// # Safety
    /// By the only runner of this cell, once.
    unsafe fn complete(&self) -> bool {
        let before = self.state.fetch_or(COMPLETE, AcqRel);
        if before & RUN_WAKER != 0 && before & ABORTED == 0 {
            // The executor's waker holds the executor's task, which holds us: let
            // go now, not when the last handle goes.
            // SAFETY: complete and not aborted: no aborter reads it any more.
            drop(self.run_waker.with_mut(|waker| unsafe { (*waker).take() }));
        }
        if before & JOIN_WAKER != 0 {
            // SAFETY: complete while the bit was set: nobody writes it any more.
            self.join_waker.with(|waker| unsafe { wake(waker) });
        }
        before & DETACHED != 0
    }
}

/// Puts `waker` into `slot` and sets `bit`. Returns true, with no promise about
/// the slot, once `closed` is set.
///
/// # Safety
/// By the only writer of `slot`; others read it only while `bit` is set.
unsafe fn register(
    state: &AtomicUsize,
    slot: &UnsafeCell<Option<Waker>>,
    bit: usize,
    closed: usize,
    waker: &Waker,
) -> bool {
    let mut now = state.load(Acquire);
    if now & closed != 0 {
        return true;
    }
    if now & bit != 0 {
        // SAFETY: only this side writes, and it is here, reading.
        if slot.with(|slot| unsafe { matches!(&*slot, Some(old) if old.will_wake(waker)) }) {
            return false;
        }
        // Another waker: take the slot back, unless the reader is coming.
        while let Err(changed) = state.compare_exchange(now, now & !bit, AcqRel, Acquire) {
            if changed & closed != 0 {
                return true;
            }
            now = changed;
        }
    }
    // SAFETY: the bit is clear: the slot is ours.
    let old = slot.with_mut(|slot| unsafe { (*slot).replace(waker.clone()) });
    let before = state.fetch_or(bit, AcqRel);
    // After the bit: dropping a waker may run anything.
    drop(old);
    before & closed != 0
}

/// # Safety
/// Nobody writes the slot meanwhile.
unsafe fn wake(slot: *const Option<Waker>) {
    // SAFETY: by contract.
    if let Some(waker) = unsafe { &*slot } {
        // A waker is foreign code: one that panics harms nobody else.
        quietly(|| waker.wake_by_ref());
    }
}

/// Runs foreign code whose panic has nowhere to go. The panic hook has told.
fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // A payload may panic when dropped. It is leaked then, by `forget`.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}

impl<F: Future> Cell<F> {
    fn new(future: F) -> Self {
        Self {
            header: Header {
                state: AtomicUsize::new(0),
                id: Id::next(),
                join_waker: UnsafeCell::new(None),
                run_waker: UnsafeCell::new(None),
            },
            stage: UnsafeCell::new(Stage::Running(future)),
        }
    }

    /// Drops the future, leaves the result.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn finish(&self, result: Result<F::Output, JoinError>) {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: not complete: the stage is the runner's. The future is
            // dropped in place, as pinning asks for.
            self.stage.with_mut(|stage| unsafe { *stage = Stage::Empty })
        }));
        // A panic of the destructor counts as a panic of the task.
        let result = match dropped {
            Ok(()) => result,
            Err(payload) => {
                quietly(move || drop(result));
                Err(JoinError::panicked(self.header.id, payload))
            }
        };
        // SAFETY: as above.
        self.stage.with_mut(|stage| unsafe { *stage = Stage::Finished(result) });
        current::ended(self.header.id);
        // SAFETY: the runner, once: `COMPLETE` was not set.
        if unsafe { self.header.complete() } {
            // SAFETY: detached before it was complete: the stage stays ours.
            quietly(|| self.stage.with_mut(|stage| unsafe { *stage = Stage::Empty }));
        }
    }
}

fn poll_caught<F: Future>(
    id: Id,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Result<Poll<F::Output>, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| current::scope(id, || future.poll(cx))))
}

impl<F: Future> Abort for Cell<F> {
    fn header(&self) -> &Header {
        &self.header
    }
}

#[allow(private_interfaces, reason = "see `Run`")]
impl<F: Future + 'static> Run for Cell<F> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn as_abort(self: Arc<Self>) -> Arc<dyn Abort> {
        self
    }

    unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.header.state.load(Acquire);
        if state & COMPLETE != 0 {
            return Poll::Ready(());
        }
        if state & ABORTED != 0 {
            // SAFETY: the runner, not complete.
            unsafe { self.cancel() };
            return Poll::Ready(());
        }
        let polled = self.stage.with_mut(|stage| {
            // SAFETY: not complete: the stage is the runner's; the future is
            // never moved out of the cell, which is in an `Arc`.
            match unsafe { &mut *stage } {
                Stage::Running(future) => {
                    // SAFETY: as above.
                    let future = unsafe { Pin::new_unchecked(future) };
                    poll_caught(self.header.id, future, cx)
                }
                Stage::Finished(_) | Stage::Empty => Ok(Poll::Pending),
            }
        });
        match polled {
            Ok(Poll::Ready(output)) => {
                // SAFETY: the runner, not complete.
                unsafe { self.finish(Ok(output)) };
                Poll::Ready(())
            }
            Ok(Poll::Pending) => {
                // After the poll, so that a task that is ready at once pays nothing.
                // SAFETY: the runner.
                if unsafe { self.header.register_run(cx.waker()) } {
                    // SAFETY: the runner, not complete.
                    unsafe { self.cancel() };
                    return Poll::Ready(());
                }
                Poll::Pending
            }
            Err(payload) => {
                // SAFETY: the runner, not complete.
                unsafe { self.finish(Err(JoinError::panicked(self.header.id, payload))) };
                Poll::Ready(())
            }
        }
    }

    unsafe fn cancel(&self) {
        // SAFETY: by contract.
        unsafe { self.finish(Err(JoinError::cancelled(self.header.id))) }
    }
}

impl<F: Future + 'static> Join<F::Output> for Cell<F> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn as_abort(self: Arc<Self>) -> Arc<dyn Abort> {
        self
    }

    unsafe fn take(&self) -> Result<F::Output, JoinError> {
        // SAFETY: by contract the stage is the joiner's.
        match self.stage.with_mut(|stage| unsafe { std::mem::replace(&mut *stage, Stage::Empty) }) {
            Stage::Finished(result) => result,
            Stage::Running(_) | Stage::Empty => Err(JoinError::taken(self.header.id)),
        }
    }
}
