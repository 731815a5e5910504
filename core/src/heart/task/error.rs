//! Why a task has no result.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use super::Id;
use crate::heart::exception::message_of;
use crate::sync::Mutex;
use crate::{Error, ErrorKind, EventLoop, ExceptionContext, context, foreign};

/// Explains why awaiting a [`JoinHandle`](super::JoinHandle) returned no output.
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
    Panicked(Mutex<Box<dyn Any + Send>>, Origin),
    Taken,
    Forked,
}

/// The loop on which a task panicked: it is told of a panic that nobody asks for.
type Origin = Option<Weak<dyn EventLoop>>;

impl JoinError {
    fn new(id: Id, repr: Repr) -> Self {
        Self { inner: Box::new(Inner { id, repr }) }
    }

    pub(super) fn cancelled(id: Id) -> Self {
        Self::new(id, Repr::Cancelled)
    }

    pub(super) fn panicked(id: Id, payload: Box<dyn Any + Send>) -> Self {
        // Looked up here, where it is known and where it costs nobody else.
        let origin = context::with_ambient(Arc::downgrade)
            .or_else(|| foreign::running().as_ref().map(Arc::downgrade));
        Self::new(id, Repr::Panicked(Mutex::new(payload), origin))
    }

    /// Tells the loop's exception handler of a panic that nobody will ask for.
    #[cold]
    pub(super) fn report_unretrieved(self) {
        let id = self.inner.id;
        let Repr::Panicked(payload, origin) = self.inner.repr else { return };
        let context = ExceptionContext::new(
            "the panic of a task was never retrieved; await its handle before it is dropped",
        )
        .with_task(id)
        .with_panic(payload.into_inner());
        match origin.and_then(|origin| origin.upgrade()) {
            Some(event_loop) => event_loop.call_exception_handler(&context),
            // Its loop has gone, or it never had one.
            None => log::error!("{context}"),
        }
    }

    pub(super) fn taken(id: Id) -> Self {
        Self::new(id, Repr::Taken)
    }

    pub(super) fn forked(id: Id) -> Self {
        Self::new(id, Repr::Forked)
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

    /// Returns true if the task was aborted, or its loop was closed before it finished.
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

    /// Returns true in a child of `fork` if the task runs in the parent process, where its result
    /// stays.
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
    /// assert!(!error_of(std::future::pending()).is_forked()); // nobody forked
    /// ```
    pub fn is_forked(&self) -> bool {
        matches!(self.inner.repr, Repr::Forked)
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
        matches!(self.inner.repr, Repr::Panicked(..))
    }

    /// Returns the payload of the panic, or the error itself if the task did not panic.
    ///
    /// # Errors
    /// Returns the error itself if the task did not panic.
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
            Repr::Panicked(payload, _) => Ok(payload.into_inner()),
            repr => Err(Self::new(id, repr)),
        }
    }

    /// Returns the payload of the panic.
    ///
    /// # Panics
    /// Panics if the task did not panic; [`try_into_panic`](Self::try_into_panic) does not.
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
            Repr::Panicked(payload, _) => {
                let payload = payload.lock();
                let said = message_of(&**payload).unwrap_or("a payload that is no string");
                write!(f, "task {} panicked: {said}; see `into_panic`", self.inner.id)
            }
            Repr::Forked => write!(
                f,
                "task {} runs in the parent process; spawn another after `fork`, on a new event loop",
                self.inner.id
            ),
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

/// For `?`.
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Error::from(error).into()
    }
}

/// For `?`; the kind is [`ErrorKind::TaskFailed`], or [`ErrorKind::Forked`].
impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        let kind = if error.is_forked() { ErrorKind::Forked } else { ErrorKind::TaskFailed };
        Self::new(kind, error.to_string()).with_source(error)
    }
}
