//! The cell that a task's two halves share: future, result, and the [`Header`]
//! with the state and the wakers. One allocation, no lock.
//!
//! The *stage* (the future, then the result) belongs to the [`Runner`] until the
//! header says complete. From then on it belongs to the [`Joiner`], unless it was
//! detached before: then the runner empties it. An [`Aborter`] touches the header
//! only.
//!
//! The interleavings are proved with loom (`core/tests/loom.rs`).
#![allow(unsafe_code, reason = "the cell is shared by halves that own parts of it in turn")]

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::current::{self, Id};
use super::error::JoinError;
use super::header::{Header, Registered, quietly};
use super::sync::UnsafeCell;

enum Stage<F: Future> {
    Running(F),
    /// `None` before there is a result, and after it was taken. In an option, so
    /// that taking it moves the result, not the room of a large future.
    Finished(Option<Result<F::Output, JoinError>>),
}

pub(super) struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

// SAFETY: the stage is touched by one side at a time, which the state word hands
// over with acquire and release. Both sides may be on any thread, so future and
// result must be `Send`.
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
    (Runner::new(cell.clone()), Joiner::new(cell))
}

/// Makes the two halves of a task whose future stays on this thread.
pub(super) fn split_local<F>(future: F) -> (Runner<dyn Run>, Joiner<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let cell = Arc::new(Cell::new(future));
    (Runner::new(cell.clone()), Joiner::new(cell))
}

/// The half that polls. There is one per cell.
pub(super) struct Runner<R: Run + ?Sized> {
    cell: Arc<R>,
}

impl<R: Run + ?Sized> Runner<R> {
    fn new(cell: Arc<R>) -> Self {
        Self { cell }
    }

    pub(super) fn id(&self) -> Id {
        self.cell.header().id()
    }

    pub(super) fn aborter(&self) -> Aborter {
        Aborter { cell: self.cell.clone().as_abort() }
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `&mut` to the only runner of this cell.
        unsafe { self.cell.poll(cx) }
    }
}

impl<R: Run + ?Sized> Drop for Runner<R> {
    fn drop(&mut self) {
        if !self.cell.header().status().is_complete() {
            // SAFETY: `&mut` to the only runner of this cell, which is not complete.
            unsafe { self.cell.cancel() }
        }
    }
}

/// The half that takes the result. There is one per cell.
pub(super) struct Joiner<T> {
    cell: Arc<dyn Join<T>>,
    registered: Registered,
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
    fn new(cell: Arc<dyn Join<T>>) -> Self {
        Self { cell, registered: Registered::default(), taken: false }
    }

    pub(super) fn id(&self) -> Id {
        self.cell.header().id()
    }

    pub(super) fn aborter(&self) -> Aborter
    where
        T: 'static,
    {
        Aborter { cell: self.cell.clone().as_abort() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.cell.header().status().is_complete()
    }

    pub(super) fn abort(&self) {
        self.cell.header().abort();
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if self.taken {
            return Poll::Ready(Err(JoinError::taken(self.id())));
        }
        // SAFETY: `&mut` to the only joiner of this cell.
        if unsafe { !self.cell.header().register_join(cx.waker(), &mut self.registered) } {
            return Poll::Pending;
        }
        self.taken = true;
        // SAFETY: complete, and the joiner is here: the stage is ours.
        Poll::Ready(unsafe { self.cell.take() })
    }
}

impl<T> Drop for Joiner<T> {
    fn drop(&mut self) {
        if self.taken {
            return; // complete: nobody asks any more who is here
        }
        // SAFETY: `&mut` to the only joiner of this cell.
        unsafe { self.cell.header().unregister_join(&mut self.registered) };
        if self.cell.header().detach().is_complete() {
            // The panic of a destructor is swallowed, as it is where the runner
            // drops the result of a detached task: it must not matter who is first.
            // SAFETY: complete before it was detached: the stage is ours.
            let unwanted = unsafe { self.cell.take() };
            quietly(|| let_go(unwanted));
        }
    }
}

/// Drops a result that nobody takes; a panic is told to the loop.
#[inline]
fn let_go<T>(unwanted: Result<T, JoinError>) {
    if let Err(error) = unwanted {
        error.report_unretrieved();
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
        self.cell.header().id()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.cell.header().status().is_complete()
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

impl<F: Future> Cell<F> {
    fn new(future: F) -> Self {
        Self { header: Header::new(), stage: UnsafeCell::new(Stage::Running(future)) }
    }

    /// Drops the future, leaves the result.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn finish(&self, result: Result<F::Output, JoinError>) {
        let id = self.header.id();
        let dropped = match std::mem::needs_drop::<F>() {
            // SAFETY: by contract.
            true => unsafe { self.drop_future() },
            false => Ok(()),
        };
        let result = match dropped {
            Ok(()) => result,
            // The first panic is the cause, the second its consequence.
            Err(second) if matches!(&result, Err(error) if error.is_panic()) => {
                quietly(|| drop(second));
                result
            }
            // A panic of the destructor counts as a panic of the task.
            Err(payload) => {
                quietly(|| drop(result));
                Err(JoinError::panicked(id, payload))
            }
        };
        // SAFETY: as above.
        self.stage.with_mut(|stage| unsafe { *stage = Stage::Finished(Some(result)) });
        current::ended(id);
        // SAFETY: the runner, once: it was not complete.
        if unsafe { self.header.complete() }.is_detached() {
            // SAFETY: detached before it was complete: the stage stays ours.
            let unwanted = unsafe { self.empty() };
            quietly(|| unwanted.map_or((), let_go));
        }
    }

    /// Drops the future in place, as pinning asks for; catches its panic.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn drop_future(&self) -> Result<(), Box<dyn Any + Send>> {
        let id = self.header.id();
        self.stage.with_mut(|stage| {
            // Still as the task: what its destructors ask about the context has the
            // same answer as before.
            catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: not complete: the stage is the runner's.
                current::scope(id, || unsafe { *stage = Stage::Finished(None) });
            }))
        })
    }

    /// Takes the result out of the stage.
    ///
    /// # Safety
    /// By the side that owns the stage.
    unsafe fn empty(&self) -> Option<Result<F::Output, JoinError>> {
        // SAFETY: by contract; a result is not pinned.
        self.stage.with_mut(|stage| match unsafe { &mut *stage } {
            Stage::Finished(result) => result.take(),
            Stage::Running(_) => None,
        })
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
        let status = self.header.status();
        if status.is_complete() {
            return Poll::Ready(());
        }
        if status.is_aborted() {
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
                    poll_caught(self.header.id(), future, cx)
                }
                Stage::Finished(_) => Ok(Poll::Pending),
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
                unsafe { self.finish(Err(JoinError::panicked(self.header.id(), payload))) };
                Poll::Ready(())
            }
        }
    }

    unsafe fn cancel(&self) {
        // SAFETY: by contract.
        unsafe { self.finish(Err(JoinError::cancelled(self.header.id()))) }
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
        unsafe { self.empty() }.unwrap_or_else(|| Err(JoinError::taken(self.header.id())))
    }
}
