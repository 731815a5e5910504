//! Tasks: the half that an executor runs, and the half that the owner keeps.
//!
//! [`new`] splits a future in two: a [`Task`], which an adapter gives to its executor, and a
//! [`JoinHandle`], which the caller keeps. Both share *one* allocation, so that a spawn costs one
//! allocation on top of the executor's own.
//!
//! The contract is the same on every executor: dropping a handle detaches the task,
//! [`abort`](JoinHandle::abort) cancels it, a panic becomes a value, and a task that the executor
//! drops (because the loop closed) counts as cancelled.

mod cell;
mod current;
mod error;
mod halves;
mod handle;
mod header;
#[cfg(loom)]
pub mod model;
mod scheduled;
mod sync;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use current::{Id, try_id};
pub(crate) use current::{on_end, outside};
pub use error::JoinError;
pub use handle::{AbortHandle, JoinHandle};
pub(crate) use scheduled::{Home, Scheduled, is_cells};

use crate::heart::lane;
use crate::local::{self, Generation};

use cell::Run;
use halves::Runner;

/// Splits `future` into a task for the executor and a handle for the caller.
///
/// ```
/// use policy_core::task;
///
/// let (task, handle) = task::new(async { 6 * 7 });
/// drop(task); // an executor that drops a task cancels it
/// assert!(handle.is_finished());
/// ```
pub fn new<F>(future: F) -> (Task, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (runner, joiner) = halves::split_send(future);
    let (made, is_on_worker) = (Generation::current(), false);
    (Task { runner, made, is_on_worker }, JoinHandle::new(joiner))
}

/// A future of any type, for an executor to run.
///
/// An adapter spawns it as a `Future<Output = ()>`, and needs to know nothing more: it never
/// panics, and dropping it cancels the task.
///
/// ```
/// use policy_core::task;
///
/// let (task, _handle) = task::new(async {});
/// fn spawnable<F: Future<Output = ()> + Send + 'static>(_: &F) {}
/// spawnable(&task);
/// ```
pub struct Task {
    runner: Runner<dyn Run + Send>,
    made: Generation,
    /// It is polled on threads that have nothing else to do.
    is_on_worker: bool,
}

/// A task that runs from the ready queue of its loop: what the queue keeps of it.
/// Dropping it cancels the task.
pub(crate) struct Homed<R: Run + ?Sized = dyn Run + Send> {
    runner: Runner<R>,
}

/// A [`Homed`] task whose future stays on this thread.
pub(crate) type HomedLocal = Homed<dyn Run>;

impl Homed {
    /// Splits `future` into what `home` runs and what the caller keeps.
    pub(crate) fn new<F>(future: F, home: Arc<dyn Home>) -> (Self, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (runner, joiner) = halves::split_homed(future, home);
        (Self { runner }, JoinHandle::new(joiner))
    }
}

impl HomedLocal {
    /// Splits a future that must stay on this thread, which is `part` of its home.
    pub(crate) fn new_local<F>(
        future: F,
        home: Arc<dyn Home>,
        part: u32,
    ) -> (Self, JoinHandle<F::Output>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (runner, joiner) = halves::split_homed_local(future, home, part);
        (Self { runner }, JoinHandle::new(joiner))
    }
}

impl<R: Run + ?Sized> Homed<R> {
    #[inline]
    pub(crate) fn poll(&mut self) -> Poll<()> {
        self.runner.poll_homed()
    }

    /// Has its home poll it.
    pub(crate) fn schedule(&self) {
        self.runner.schedule();
    }

    /// Remembers under which key its home finds it when it was woken.
    #[inline]
    pub(crate) fn keep_at(&self, key: u32) {
        self.runner.keep_at(key);
    }
}

impl Task {
    /// Returns the identity of the task.
    ///
    /// ```
    /// let (task, handle) = policy_core::task::new(async {});
    /// assert_eq!(task.id(), handle.id());
    /// ```
    pub fn id(&self) -> Id {
        self.runner.id()
    }

    /// Returns a handle that aborts this task.
    ///
    /// ```
    /// let (task, handle) = policy_core::task::new(async {});
    /// task.abort_handle().abort();
    /// drop(task);
    /// assert!(handle.is_finished());
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.runner.aborter())
    }

    /// Says that an executor polls it on threads of its own: if one of them forks in it, there
    /// is no run that could end in the child.
    pub(crate) fn on_worker(mut self) -> Self {
        self.is_on_worker = true;
        self
    }
}

impl Future for Task {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.made.is_past() {
            // The parent polls it: what it does must not be done twice.
            return Poll::Pending;
        }
        let polled = this.runner.poll(cx);
        if this.made.is_past() && this.is_on_worker {
            leave_child();
        }
        polled
    }
}

impl Drop for Task {
    #[inline]
    fn drop(&mut self) {
        // In a forked child it is the parent's, as what its destructors would undo.
        if self.made.is_past() {
            self.runner.forget();
        }
    }
}

/// Ends a forked child that consists of an executor's worker thread, unless that drives a run,
/// which then ends. The thread must not return to its executor: it would wait there for ever,
/// for events that it takes from the parent, with whom it shares the reactor.
#[cold]
fn leave_child() {
    if !lane::is_here() {
        local::exit_child();
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id()).finish()
    }
}
