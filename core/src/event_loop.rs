//! The promise that every event loop keeps.

mod callbacks;
mod calls;
mod diagnostics;
mod signals;
mod tasks;

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

pub use calls::ShutdownReport;

use crate::task::Task;
use crate::{Error, ErrorKind, Job, LoopState, Proactor, Selector, Timer};

/// Which of asyncio's two models a loop follows.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// assert_eq!(LoopState::new("my-executor", LoopKind::Proactor).kind(), LoopKind::Proactor);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopKind {
    /// Waits until descriptors are ready (epoll, kqueue, AFD).
    Selector,
    /// Waits until operations are complete (io_uring, IOCP).
    Proactor,
}

/// An executor, its reactor and its timers, behind one face.
///
/// This trait is what an *adapter* implements, and it is small on purpose. What a
/// user calls (`run_until_complete`, `spawn`, `stop`, `close` …) are the methods
/// of `dyn EventLoop` below, which do the checks that are the same for every
/// executor and then call these.
///
/// The trait is `Send + Sync` because handles to a loop travel. A loop that is
/// bound to a thread (compio) makes its executor on the first
/// [`drive`](Self::drive), keeps it in that thread, and answers
/// [`ErrorKind::WrongThread`] elsewhere.
///
/// ```
/// use policy_core::{Error, EventLoop, Job, LoopKind, LoopState, Timer};
/// use std::pin::Pin;
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Waker};
/// use std::time::{Duration, Instant};
///
/// /// Polls without a pause: the least that an executor can do.
/// #[derive(Debug)]
/// struct Spinning(LoopState);
///
/// impl EventLoop for Spinning {
///     fn state(&self) -> &LoopState {
///         &self.0
///     }
///     fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
///         let mut cx = Context::from_waker(Waker::noop());
///         while main.as_mut().poll(&mut cx).is_pending() {}
///         Ok(())
///     }
///     fn submit_blocking(&self, job: Job) -> Result<(), Error> {
///         std::thread::spawn(|| job.run());
///         Ok(())
///     }
///     fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
///         Ok(Timer::new(std::future::poll_fn(move |_| {
///             if Instant::now() < deadline { Poll::Pending } else { Poll::Ready(()) }
///         })))
///     }
///     fn shutdown(&self, _limit: Duration) {}
/// }
///
/// let state = LoopState::new("spinning", LoopKind::Selector);
/// let event_loop: Arc<dyn EventLoop> = Arc::new(Spinning(state));
/// let (task, job) = (event_loop.spawn(async { 6 }), event_loop.spawn_blocking(|| 7));
/// let product = async { task.await.unwrap() * job.await.unwrap() };
/// assert_eq!(event_loop.run_until_complete(product)?, 42);
/// event_loop.close()?;
/// # Ok::<(), Error>(())
/// ```
pub trait EventLoop: Debug + Send + Sync + 'static {
    /// Returns the part that all loops share.
    fn state(&self) -> &LoopState;

    /// Runs the loop on this thread until `main` is done.
    ///
    /// Called by one thread at a time, never nested, with the loop entered in
    /// [`context`](crate::context). `main` never panics. It runs the loop's tasks and
    /// callbacks, too, and is pending when the reactor is to be looked at: without a
    /// wait if it has woken its waker, else until somebody wakes it.
    ///
    /// # Errors
    /// If the loop can't run here, before `main` was polled: for example
    /// [`ErrorKind::WrongThread`], or [`ErrorKind::OtherLoopRunning`] where the
    /// executor can't be nested in what runs on this thread.
    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error>;

    /// Gives a task to an executor with threads. Called from any thread, also while
    /// nobody drives the loop.
    ///
    /// Only where the state says [`self_driving`](LoopState::self_driving). The tasks of
    /// other loops need no executor: they are run in `main`, by [`drive`](Self::drive).
    ///
    /// # Errors
    /// If the executor takes no tasks any more; the task is dropped, so cancelled.
    /// [`ErrorKind::Unsupported`] where there is no executor (the default).
    fn submit(&self, task: Task) -> Result<(), Error> {
        drop(task);
        Err(ErrorKind::Unsupported.into())
    }

    /// Gives a job to a thread where it may block. Called from any thread.
    ///
    /// # Errors
    /// If no thread can be had, or none is given any more; the job is dropped.
    fn submit_blocking(&self, job: Job) -> Result<(), Error>;

    /// Makes a timer of this loop. Called from any thread.
    ///
    /// # Errors
    /// If the executor has no timers.
    fn timer(&self, deadline: Instant) -> Result<Timer, Error>;

    /// Returns the loop as a selector; users call
    /// [`selector`](#method.selector).
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if it can't be one (the default).
    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Err(unsupported(self.state(), "a selector"))
    }

    /// Returns the loop as a proactor, if that is how its executor works; users call
    /// [`proactor`](#method.proactor), which emulates one on a selector.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if it can't be one (the default).
    fn as_proactor(&self) -> Result<&dyn Proactor, Error> {
        Err(unsupported(self.state(), "a proactor"))
    }

    /// Returns the adapter's own type, for what only its loops have: see
    /// [`downcast_ref`](#method.downcast_ref).
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Returns false if what runs on this thread, inside [`drive`](Self::drive), should
    /// let the executor have its turn at once: its own cooperative budget is used up.
    fn has_budget(&self) -> bool {
        true
    }

    /// Returns true if the reactor and its timers wake whoever waits for them while
    /// nobody drives the loop: then a host can run it turn by turn, and need not look in
    /// between.
    fn wakes_by_itself(&self) -> bool {
        false
    }

    /// Returns false if tasks run here that were not spawned through this loop, so
    /// that nobody can know when everything is idle: then a paused clock does not
    /// jump, and [`pause`](EventLoop#method.pause) is [`ErrorKind::Unsupported`].
    fn knows_idle(&self) -> bool {
        true
    }

    /// Drops every task that is left, and waits until none is being polled and
    /// no worker thread is left; at most for `limit`.
    ///
    /// Called once, when the loop is closed: nobody drives it, and nothing is
    /// submitted any more. It may be called inside one of the loop's own tasks;
    /// then it does not wait.
    fn shutdown(&self, limit: Duration);
}

fn unsupported(state: &LoopState, what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the event loop {} is not {what}; choose another with `policy::set_event_loop_policy`",
            state.name()
        ),
    )
}
