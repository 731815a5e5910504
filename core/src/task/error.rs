//! Why a task gave no result.

use std::any::Any;
use std::fmt;
use std::sync::Mutex;

use super::Id;

/// Says why awaiting a [`JoinHandle`](super::JoinHandle) gave no result.
///
/// ```
/// use policy_core::task;
/// # use std::task::{Context, Poll, Waker};
/// # use std::pin::pin;
/// let (task, handle) = task::new(async { 1 });
/// handle.abort();
/// drop(task);
/// # let mut handle = pin!(handle);
/// # let Poll::Ready(result) = handle.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
/// assert!(result.unwrap_err().is_cancelled());
/// ```
pub struct JoinError {
    // Boxed: each task has room for an error, and hardly any has one.
    inner: Box<Inner>,
}

struct Inner {
    id: Id,
    repr: Repr,
}

enum Repr {
    Cancelled,
    // In a mutex because a payload is `Send`, and an error should be `Sync` too.
    Panicked(Mutex<Box<dyn Any + Send>>),
    Taken,
}

impl JoinError {
    fn new(id: Id, repr: Repr) -> Self {
        Self { inner: Box::new(Inner { id, repr }) }
    }

    pub(super) fn cancelled(id: Id) -> Self {
        Self::new(id, Repr::Cancelled)
    }

    pub(super) fn panicked(id: Id, payload: Box<dyn Any + Send>) -> Self {
        Self::new(id, Repr::Panicked(Mutex::new(payload)))
    }

    pub(super) fn taken(id: Id) -> Self {
        Self::new(id, Repr::Taken)
    }

    /// Returns the identity of the task.
    ///
    /// ```
    /// # use policy_core::task::{self, JoinError};
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// #
    /// # fn error_of(future: impl Future<Output = ()> + Send + 'static) -> JoinError {
    /// #     let (task, handle) = task::new(future);
    /// #     let mut cx = Context::from_waker(Waker::noop());
    /// #     let _ended = pin!(task).poll(&mut cx); // polled once, then dropped
    /// #     match pin!(handle).poll(&mut cx) {
    /// #         Poll::Ready(Err(error)) => error,
    /// #         _ => unreachable!("it ended, badly"),
    /// #     }
    /// # }
    /// let error = error_of(std::future::pending());
    /// assert!(error.to_string().contains(&error.id().to_string()));
    /// ```
    pub fn id(&self) -> Id {
        self.inner.id
    }

    /// Returns true if the task was aborted, or its loop closed first.
    ///
    /// ```
    /// # use policy_core::task::{self, JoinError};
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// #
    /// # fn error_of(future: impl Future<Output = ()> + Send + 'static) -> JoinError {
    /// #     let (task, handle) = task::new(future);
    /// #     let mut cx = Context::from_waker(Waker::noop());
    /// #     let _ended = pin!(task).poll(&mut cx); // polled once, then dropped
    /// #     match pin!(handle).poll(&mut cx) {
    /// #         Poll::Ready(Err(error)) => error,
    /// #         _ => unreachable!("it ended, badly"),
    /// #     }
    /// # }
    /// assert!(error_of(std::future::pending()).is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.repr, Repr::Cancelled)
    }

    /// Returns true if the task panicked.
    ///
    /// ```
    /// # use policy_core::task::{self, JoinError};
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// #
    /// # fn error_of(future: impl Future<Output = ()> + Send + 'static) -> JoinError {
    /// #     let (task, handle) = task::new(future);
    /// #     let mut cx = Context::from_waker(Waker::noop());
    /// #     let _ended = pin!(task).poll(&mut cx); // polled once, then dropped
    /// #     match pin!(handle).poll(&mut cx) {
    /// #         Poll::Ready(Err(error)) => error,
    /// #         _ => unreachable!("it ended, badly"),
    /// #     }
    /// # }
    /// assert!(error_of(async { panic!("bad luck") }).is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.repr, Repr::Panicked(_))
    }

    /// Returns the payload of the panic, or the error itself if there was none.
    ///
    /// # Errors
    /// The error itself, if the task did not panic.
    ///
    /// ```
    /// # use policy_core::task::{self, JoinError};
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// #
    /// # fn error_of(future: impl Future<Output = ()> + Send + 'static) -> JoinError {
    /// #     let (task, handle) = task::new(future);
    /// #     let mut cx = Context::from_waker(Waker::noop());
    /// #     let _ended = pin!(task).poll(&mut cx); // polled once, then dropped
    /// #     match pin!(handle).poll(&mut cx) {
    /// #         Poll::Ready(Err(error)) => error,
    /// #         _ => unreachable!("it ended, badly"),
    /// #     }
    /// # }
    /// let error = error_of(std::future::pending());
    /// assert!(error.try_into_panic().unwrap_err().is_cancelled());
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        let Inner { id, repr } = *self.inner;
        match repr {
            Repr::Panicked(payload) => {
                Ok(payload.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
            }
            repr => Err(Self::new(id, repr)),
        }
    }

    /// Returns the payload of the panic.
    ///
    /// # Panics
    /// If the task did not panic; [`try_into_panic`](Self::try_into_panic) does not.
    ///
    /// ```
    /// # use policy_core::task::{self, JoinError};
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// #
    /// # fn error_of(future: impl Future<Output = ()> + Send + 'static) -> JoinError {
    /// #     let (task, handle) = task::new(future);
    /// #     let mut cx = Context::from_waker(Waker::noop());
    /// #     let _ended = pin!(task).poll(&mut cx); // polled once, then dropped
    /// #     match pin!(handle).poll(&mut cx) {
    /// #         Poll::Ready(Err(error)) => error,
    /// #         _ => unreachable!("it ended, badly"),
    /// #     }
    /// # }
    /// let error = error_of(async { std::panic::panic_any(7_u8) });
    /// assert_eq!(error.into_panic().downcast_ref(), Some(&7_u8));
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => not_a_panic(&error),
        }
    }
}

#[track_caller]
#[allow(clippy::panic, reason = "promised by `into_panic`, which has a `try_` twin")]
fn not_a_panic(error: &JoinError) -> ! {
    panic!("`into_panic` of an error that is not a panic ({error}); ask `is_panic` first")
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.repr {
            Repr::Cancelled => write!(
                f,
                "task {} was cancelled; look for a call of `abort`, or a loop that closed first",
                self.inner.id
            ),
            Repr::Panicked(payload) => {
                let payload = payload.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let said = payload
                    .downcast_ref::<&'static str>()
                    .copied()
                    .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("a payload that is no string");
                write!(f, "task {} panicked: {said}; see `into_panic`", self.inner.id)
            }
            Repr::Taken => write!(
                f,
                "the result of task {} was taken already; await a handle only once",
                self.inner.id
            ),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}
