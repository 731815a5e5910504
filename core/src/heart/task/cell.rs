//! The cell that a task's two halves share: future, result, and the [`Header`]
//! with the state, the wakers and the count of references. One allocation, no lock.
//!
//! The *stage* (the future, then the result) belongs to the [`Runner`] until the
//! header says complete. From then on it belongs to the [`Joiner`], unless it was
//! detached before: then the runner empties it. An [`Aborter`] touches the header
//! only. Whoever gives the last reference up frees the cell.
//!
//! [`Runner`]: super::halves::Runner
//! [`Joiner`]: super::halves::Joiner
//! [`Aborter`]: super::halves::Aborter
//!
//! The interleavings are proved with loom (`core/tests/loom.rs`).
#![allow(unsafe_code, reason = "the cell is shared by halves that own parts of it in turn")]

use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::current::{self, Id};
use super::error::JoinError;
use super::header::Header;
use super::scheduled::Home;
use super::sync::UnsafeCell;
use crate::budget;
use crate::sync::quietly;

enum Stage<F: Future> {
    Running(F),
    /// `None` before there is a result, and after it was taken. In an option, so
    /// that taking it moves the result, not the room of a large future.
    Finished(Option<Result<F::Output, JoinError>>),
}

// The header first, so that a pointer to a cell of any type is one to its header.
#[repr(C)]
pub(super) struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// What a [`Runner`](super::halves::Runner) does with a cell of any type.
pub(crate) trait Run {
    /// Polls the future. Ready once the result is in the stage: what is left is to
    /// say so.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Leaves a result that says cancelled.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn cancel(&self);

    /// Drops the result, which nobody takes.
    ///
    /// # Safety
    /// By the only runner of this cell, detached before it was complete.
    unsafe fn discard(&self);
}

/// What a [`Joiner`](super::halves::Joiner) does.
pub(super) trait Join<T> {
    /// # Safety
    /// By the only joiner of this cell, complete before it was detached.
    unsafe fn take(&self) -> Result<T, JoinError>;
}

impl<F: Future> Cell<F> {
    /// Makes a cell that an executor polls, to be counted by a runner and a joiner.
    pub(super) fn allocate(future: F) -> NonNull<Self> {
        Self::with(future, Header::polled(Self::free))
    }

    /// Makes a cell that runs from the queue of `home`.
    pub(super) fn allocate_homed(future: F, home: Arc<dyn Home>, part: u32) -> NonNull<Self> {
        Self::with(future, Header::homed(Self::free, home, part))
    }

    fn with(future: F, header: Header) -> NonNull<Self> {
        let cell = Box::new(Self { header, stage: UnsafeCell::new(Stage::Running(future)) });
        NonNull::from(Box::leak(cell))
    }

    /// # Safety
    /// The header is of a cell of this type that was allocated as above, and nobody
    /// has a reference to it any more.
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: by contract; the header is where the cell begins.
        let cell = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        // For loom, which then checks that nobody may still be at the stage.
        cell.stage.with_mut(|_stage| ());
        drop(cell);
    }

    /// Drops the future, leaves the result.
    ///
    /// # Safety
    /// By the only runner of this cell, not complete.
    unsafe fn finish(&self, result: Result<F::Output, JoinError>) {
        let id = self.header.id();
        let dropped = match mem::needs_drop::<F>() {
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

/// Polls a future in its stage. One that panics is dropped while the panic unwinds: to its
/// destructors `thread::panicking` is true, as it is to those of a thread's locals.
///
/// # Safety
/// The stage is the caller's, and is where the cell was allocated.
unsafe fn poll_caught<F: Future>(
    id: Id,
    stage: &mut Stage<F>,
    cx: &mut Context<'_>,
) -> Result<Poll<F::Output>, Box<dyn Any + Send>> {
    struct DropsAtPanic<'a, F: Future>(Id, &'a mut Stage<F>);

    impl<F: Future> Drop for DropsAtPanic<'_, F> {
        fn drop(&mut self) {
            // A second panic is a consequence of the first, and must not meet it.
            quietly(|| current::scope(self.0, || *self.1 = Stage::Finished(None)));
        }
    }

    catch_unwind(AssertUnwindSafe(|| {
        let stage = DropsAtPanic(id, stage);
        let polled = match &mut *stage.1 {
            Stage::Running(future) => {
                // SAFETY: it is never moved out of the cell, which stays where it is.
                let future = unsafe { Pin::new_unchecked(future) };
                current::scope(id, || budget::renewed(|| future.poll(cx)))
            }
            Stage::Finished(_) => Poll::Pending,
        };
        mem::forget(stage);
        polled
    }))
}

impl<F: Future + 'static> Run for Cell<F> {
    unsafe fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.header.status().is_aborted() {
            // SAFETY: by contract.
            unsafe { self.cancel() };
            return Poll::Ready(());
        }
        let polled = self.stage.with_mut(|stage| {
            // SAFETY: not complete: the stage is the runner's.
            unsafe { poll_caught(self.header.id(), &mut *stage, cx) }
        });
        let result = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            // It is its own waker: an abort puts it into its queue.
            Ok(Poll::Pending) if self.header.is_homed() => return Poll::Pending,
            Ok(Poll::Pending) => {
                // After the poll, so that a task that is ready at once pays nothing.
                // SAFETY: the runner.
                if unsafe { !self.header.register_run(cx.waker()) } {
                    return Poll::Pending;
                }
                Err(JoinError::cancelled(self.header.id()))
            }
            Err(payload) => Err(JoinError::panicked(self.header.id(), payload)),
        };
        // SAFETY: by contract.
        unsafe { self.finish(result) };
        Poll::Ready(())
    }

    unsafe fn cancel(&self) {
        // SAFETY: by contract.
        unsafe { self.finish(Err(JoinError::cancelled(self.header.id()))) }
    }

    unsafe fn discard(&self) {
        // SAFETY: by contract the stage is the runner's.
        let unwanted = unsafe { self.empty() };
        quietly(|| unwanted.map_or((), |unwanted| let_go(self.header.id(), unwanted)));
    }
}

impl<F: Future + 'static> Join<F::Output> for Cell<F> {
    unsafe fn take(&self) -> Result<F::Output, JoinError> {
        // SAFETY: by contract the stage is the joiner's.
        unsafe { self.empty() }.unwrap_or_else(|| Err(JoinError::taken(self.header.id())))
    }
}

/// Drops a result that nobody takes, as the task `id` that made it; a panic is told to the loop.
#[inline]
pub(super) fn let_go<T>(id: Id, unwanted: Result<T, JoinError>) {
    match unwanted {
        Ok(output) if mem::needs_drop::<T>() => current::scope(id, || drop(output)),
        Ok(_) => {}
        Err(error) => error.report_unretrieved(),
    }
}
