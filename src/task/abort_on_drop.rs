//! A handle that aborts its task when it is dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{AbortHandle, Id, JoinError, JoinHandle};

/// A [`JoinHandle`] that aborts its task when it is dropped.
///
/// ```
/// use policy::task::AbortOnDrop;
///
/// policy::run(async {
///     let task = AbortOnDrop::new(policy::spawn(std::future::pending::<()>()));
///     let abort = task.abort_handle();
///     drop(task);
///     while !abort.is_finished() {
///         policy::task::yield_now().await;
///     }
/// });
/// ```
#[derive(Debug)]
#[must_use = "the task is aborted when this is dropped"]
pub struct AbortOnDrop<T> {
    handle: JoinHandle<T>,
    guard: Guard,
}

/// Aborts when it is dropped. A part of its own, so that the handle can be taken
/// out of the whole.
#[derive(Debug)]
struct Guard {
    abort: AbortHandle,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            self.abort.abort();
        }
    }
}

impl<T: 'static> AbortOnDrop<T> {
    /// Wraps the handle of a task.
    ///
    /// ```
    /// policy::run(async {
    ///     let task = policy::task::AbortOnDrop::new(policy::spawn(async { 1 }));
    ///     assert_eq!(task.await.unwrap(), 1);
    /// });
    /// ```
    pub fn new(handle: JoinHandle<T>) -> Self {
        let abort = handle.abort_handle();
        Self { handle, guard: Guard { abort, armed: true } }
    }
}

impl<T> AbortOnDrop<T> {
    /// Lets the task continue, and returns its handle.
    ///
    /// ```
    /// use policy::task::AbortOnDrop;
    ///
    /// policy::run(async {
    ///     let task = AbortOnDrop::new(policy::spawn(async { 1 }));
    ///     assert_eq!(task.detach().await.unwrap(), 1);
    /// });
    /// ```
    #[must_use = "the handle is the way to the result"]
    pub fn detach(self) -> JoinHandle<T> {
        let Self { handle, mut guard } = self;
        guard.armed = false;
        handle
    }

    /// Cancels the task; see [`JoinHandle::abort`].
    ///
    /// ```
    /// policy::run(async {
    ///     let task = policy::task::AbortOnDrop::new(policy::spawn(std::future::pending::<()>()));
    ///     task.abort();
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.guard.abort.abort();
    }

    /// Returns a handle that can only abort the task.
    ///
    /// ```
    /// policy::run(async {
    ///     let task = policy::task::AbortOnDrop::new(policy::spawn(std::future::pending::<()>()));
    ///     task.abort_handle().abort();
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        self.guard.abort.clone()
    }

    /// Returns true once the task has ended.
    ///
    /// ```
    /// policy::run(async {
    ///     let task = policy::task::AbortOnDrop::new(policy::spawn(std::future::pending::<()>()));
    ///     assert!(!task.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.guard.abort.is_finished()
    }

    /// Returns the identity of the task.
    ///
    /// ```
    /// policy::run(async {
    ///     let task = policy::task::AbortOnDrop::new(policy::spawn(async { policy::task::try_id() }));
    ///     let id = task.id();
    ///     assert_eq!(task.await.unwrap(), Some(id));
    /// });
    /// ```
    pub fn id(&self) -> Id {
        self.guard.abort.id()
    }
}

impl<T: 'static> From<JoinHandle<T>> for AbortOnDrop<T> {
    fn from(handle: JoinHandle<T>) -> Self {
        Self::new(handle)
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx)
    }
}
