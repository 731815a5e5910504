//! The owner's side of a task.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::halves::{Aborter, Joiner};
use super::{Id, JoinError};
use crate::budget::Once;
use crate::local::Generation;

/// The owner's half of a task: a future that resolves to its output.
///
/// You may await it on any executor, whichever loop runs the task. Dropping it *detaches* the task,
/// on every loop: the task continues, and its output is dropped.
///
/// Awaiting is cancel safe: after a dropped wait you can await the handle again, with
/// `&mut handle`. It returns the output once; later polls return a [`JoinError`] that says so. In a
/// child of `fork` it returns the output of a task that had finished, and else, at once, an error
/// that [`is_forked`](JoinError::is_forked).
///
/// ```
/// use policy_core::task;
///
/// let (_task, handle) = task::new(async { 1 });
/// assert!(!handle.is_finished());
/// ```
#[must_use = "a handle that is dropped detaches its task: await it, or drop it by name"]
pub struct JoinHandle<T> {
    joiner: Joiner<T>,
    turn: Once,
    made: Generation,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(joiner: Joiner<T>) -> Self {
        Self { joiner, turn: Once::new(), made: Generation::current() }
    }

    /// Returns the identity of the task.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, handle) = task::new(async {});
    /// assert_eq!(handle.id(), task.id());
    /// ```
    pub fn id(&self) -> Id {
        self.joiner.id()
    }

    /// Cancels the task, from any thread.
    ///
    /// The loop drops the future where it runs, on its next turn; a task that finishes first keeps
    /// its output. Calling it twice, or after the task has finished, does nothing.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, handle) = task::new(async {});
    /// handle.abort();
    /// assert!(!handle.is_finished()); // not yet: where it runs
    /// drop(task);
    /// assert!(handle.is_finished());
    /// ```
    pub fn abort(&self) {
        self.joiner.abort();
    }

    /// Returns a handle that can only abort the task; it does not keep the output alive.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, handle) = task::new(async {});
    /// let abort = handle.abort_handle();
    /// std::thread::spawn(move || abort.abort()).join().unwrap();
    /// drop(task);
    /// assert!(handle.is_finished());
    /// ```
    pub fn abort_handle(&self) -> AbortHandle
    where
        T: 'static,
    {
        AbortHandle::new(self.joiner.aborter())
    }

    /// Returns true once the output, or the error, is available.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, handle) = task::new(async {});
    /// drop(task);
    /// assert!(handle.is_finished()); // cancelled
    /// ```
    pub fn is_finished(&self) -> bool {
        self.joiner.is_complete()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { joiner, turn, made } = self.get_mut();
        if made.is_past() && !joiner.is_complete() {
            // Whoever runs it is in the parent, and wakes nobody here.
            return Poll::Ready(Err(JoinError::forked(joiner.id())));
        }
        turn.poll(cx, |cx| joiner.poll(cx))
    }
}

// The result is never pinned: it is moved out.
impl<T> Unpin for JoinHandle<T> {}

// The cell stays whole whatever panics: that is what it is for.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Aborts a task, from any thread, and can tell whether it has ended.
///
/// ```
/// use policy_core::task;
///
/// let (task, handle) = task::new(std::future::pending::<()>());
/// let abort = handle.abort_handle();
/// drop(handle); // detached, yet it can still be aborted
/// abort.abort();
/// drop(task);
/// assert!(abort.is_finished());
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    aborter: Aborter,
}

impl AbortHandle {
    pub(super) fn new(aborter: Aborter) -> Self {
        Self { aborter }
    }

    /// Cancels the task; see [`JoinHandle::abort`].
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, handle) = task::new(async {});
    /// task.abort_handle().abort();
    /// drop(task);
    /// assert!(handle.is_finished());
    /// ```
    pub fn abort(&self) {
        self.aborter.abort();
    }

    /// Returns true once the task has ended.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, _handle) = task::new(async {});
    /// let abort = task.abort_handle();
    /// assert!(!abort.is_finished());
    /// drop(task);
    /// assert!(abort.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.aborter.is_complete()
    }

    /// Returns the identity of the task.
    ///
    /// ```
    /// use policy_core::task;
    ///
    /// let (task, _handle) = task::new(async {});
    /// assert_eq!(task.abort_handle().id(), task.id());
    /// ```
    pub fn id(&self) -> Id {
        self.aborter.id()
    }
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}
