//! The end of an operation, as a future.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, wake, wakers};
use crate::{Error, ErrorKind, Operation};

/// The result of an operation, and the operation: `None` only if the loop broke down and kept it.
pub type Completed = (io::Result<usize>, Option<Operation>);

/// The future of an operation's result. May be polled and dropped on any thread.
///
/// Dropping it abandons the operation. An executor that has submitted it to the kernel cancels it
/// there, and keeps its buffers until the kernel has released them. Bytes that it had read by then
/// are lost.
///
/// ```
/// use policy_core::{Buffer, Completion, Operation};
/// # use std::task::{Context, Poll, Waker};
///
/// let operation = Operation::Send { buffer: Buffer::from(vec![1]) };
/// let mut completion = std::pin::pin!(Completion::ready(Ok(1), operation));
/// let mut cx = Context::from_waker(Waker::noop());
/// let Poll::Ready((result, operation)) = completion.as_mut().poll(&mut cx) else {
///     unreachable!("it is ready")
/// };
/// assert_eq!(result.unwrap(), 1);
/// assert!(matches!(operation, Some(Operation::Send { .. })));
/// ```
#[must_use = "an operation is abandoned when its completion is dropped"]
pub struct Completion(Inner);

enum Inner {
    Ready(Option<Completed>),
    Promised(Arc<Shared>),
    Future(Pin<Box<dyn Future<Output = Completed> + Send>>),
}

impl Completion {
    /// Wraps a `Send` future, in a box.
    ///
    /// ```
    /// use policy_core::{Buffer, Completion, Operation};
    ///
    /// let operation = Operation::Send { buffer: Buffer::from(vec![1]) };
    /// let _completion = Completion::new(async move { (Ok(1), Some(operation)) });
    /// ```
    pub fn new(future: impl Future<Output = Completed> + Send + 'static) -> Self {
        Self(Inner::Future(Box::pin(future)))
    }

    /// Makes a completion that has ended: for an operation that an adapter performs, or refuses, at
    /// once.
    ///
    /// ```
    /// use policy_core::{Buffer, Completion, Error, ErrorKind, Operation};
    ///
    /// fn refuse(operation: Operation) -> Completion {
    ///     Completion::ready(Err(Error::from(ErrorKind::LoopClosed).into()), operation)
    /// }
    /// # let _ = refuse(Operation::Send { buffer: Buffer::from(vec![1]) });
    /// ```
    pub fn ready(result: io::Result<usize>, operation: Operation) -> Self {
        Self(Inner::Ready(Some((result, Some(operation)))))
    }

    /// Makes a pair; the promise goes to the thread that runs the operation. One allocation.
    ///
    /// ```
    /// use policy_core::{Buffer, Completion, Operation};
    ///
    /// let (promise, completion) = Completion::channel();
    /// let operation = Operation::Send { buffer: Buffer::from(vec![1]) };
    /// std::thread::spawn(move || promise.complete(Ok(1), operation)).join().unwrap();
    /// # drop(completion);
    /// ```
    pub fn channel() -> (Promise, Self) {
        let shared = Arc::<Shared>::default();
        (Promise(shared.clone()), Self(Inner::Promised(shared)))
    }
}

impl Future for Completion {
    type Output = Completed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Completed> {
        match &mut self.0 {
            Inner::Future(future) => future.as_mut().poll(cx),
            Inner::Promised(shared) => shared.poll(cx),
            // A future that has ended may do as it likes; not for ever, in silence.
            Inner::Ready(completed) => {
                Poll::Ready(completed.take().unwrap_or_else(|| (Err(ended_before()), None)))
            }
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let Inner::Promised(shared) = &self.0 else { return };
        let (waker, left) = {
            let mut slot = shared.0.lock();
            slot.abandoned = true;
            (slot.promise_waker.take(), (slot.completed.take(), slot.completion_waker.take()))
        };
        // Outside the lock: wakers and buffers may run anything.
        drop(left);
        wake(waker);
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

/// The half of a [`Completion`] that completes it. If it is dropped, the completion reports that
/// the loop was closed.
///
/// ```
/// use policy_core::Completion;
///
/// let (promise, completion) = Completion::channel();
/// assert!(!promise.is_abandoned());
/// drop(completion);
/// assert!(promise.is_abandoned());
/// ```
#[derive(Debug)]
pub struct Promise(Arc<Shared>);

impl Promise {
    /// Completes the operation with its result, and returns the operation to the caller.
    ///
    /// ```
    /// use policy_core::{Buffer, Completion, Operation};
    ///
    /// let (promise, _completion) = Completion::channel();
    /// promise.complete(Ok(1), Operation::Send { buffer: Buffer::from(vec![1]) });
    /// ```
    pub fn complete(self, result: io::Result<usize>, operation: Operation) {
        self.0.complete((result, Some(operation)));
    }

    /// Returns true once the completion was dropped: an operation that has not begun need not
    /// begin.
    ///
    /// ```
    /// let (promise, _completion) = policy_core::Completion::channel();
    /// assert!(!promise.is_abandoned());
    /// ```
    pub fn is_abandoned(&self) -> bool {
        self.0.0.lock().abandoned
    }

    /// Returns `Ready` once the completion was dropped: then the operation should be cancelled.
    /// Only one task may wait for it.
    ///
    /// ```
    /// use std::task::{Context, Waker};
    ///
    /// let (promise, completion) = policy_core::Completion::channel();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(promise.poll_abandoned(&mut cx).is_pending());
    /// drop(completion);
    /// assert!(promise.poll_abandoned(&mut cx).is_ready());
    /// ```
    pub fn poll_abandoned(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut clone = None;
        loop {
            let slot = self.0.0.lock();
            if slot.abandoned {
                return Poll::Ready(());
            }
            if wakers::leave(slot, |slot| &mut slot.promise_waker, &mut clone, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // Looked at first: the error is three allocations, which every operation would make.
        if !self.0.0.lock().told {
            self.0.complete((Err(Error::from(ErrorKind::LoopClosed).into()), None));
        }
    }
}

#[derive(Default)]
struct Shared(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    completed: Option<Completed>,
    told: bool,
    abandoned: bool,
    completion_waker: Option<Waker>,
    promise_waker: Option<Waker>,
}

impl Shared {
    fn complete(&self, completed: Completed) {
        let (wakers, late) = {
            let mut slot = self.0.lock();
            if slot.told {
                return drop((slot, completed));
            }
            slot.told = true;
            let wakers = (slot.completion_waker.take(), slot.promise_waker.take());
            let late = if slot.abandoned {
                Some(completed)
            } else {
                slot.completed = Some(completed);
                None
            };
            (wakers, late)
        };
        // Outside the lock: wakers and buffers may run anything.
        drop(late);
        wake(wakers.0);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Completed> {
        let mut clone = None;
        loop {
            let mut slot = self.0.lock();
            if let Some(completed) = slot.completed.take() {
                return Poll::Ready(completed);
            }
            if slot.told {
                return Poll::Ready((Err(ended_before()), None));
            }
            if wakers::leave(slot, |slot| &mut slot.completion_waker, &mut clone, cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.0.lock();
        f.debug_struct("Shared")
            .field("told", &slot.told)
            .field("abandoned", &slot.abandoned)
            .finish_non_exhaustive()
    }
}

fn ended_before() -> io::Error {
    io::Error::other("the operation has ended before; do not poll its future again")
}
