//! The contract of every event loop.

use std::any::Any;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

#[cfg(feature = "proactor")]
use crate::Proactor;
#[cfg(any(unix, windows))]
use crate::Selector;
#[cfg(any(unix, windows))]
use crate::os::OwnedIo;
use crate::task::Task;
use crate::{Error, ErrorKind, Job, LoopState, Timer};

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

/// An executor, its reactor and its timers, behind one interface.
///
/// An *adapter* implements this trait, and it is small on purpose. Users call the methods of
/// `dyn EventLoop` below (`run_until_complete`, `spawn`, `stop`, `close` …), which make the checks
/// that are the same for every executor and then call these.
///
/// The trait is `Send + Sync` because handles to a loop are sent between threads. A loop that is
/// bound to a thread (compio) makes its executor on the first [`drive`](Self::drive), keeps it on
/// that thread, and returns [`ErrorKind::WrongThread`] elsewhere.
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

    /// Runs the loop on this thread until `main` completes.
    ///
    /// Called by one thread at a time, never nested, with the loop entered in
    /// [`context`](crate::context). `main` never panics. It also runs the loop's tasks and
    /// callbacks, and returns `Pending` when the executor should look at its reactor: without
    /// waiting if `main` has woken its waker, else until something wakes it.
    ///
    /// # Errors
    /// Returns an error if the loop can't run here, before it polls `main`: for example
    /// [`ErrorKind::WrongThread`], or [`ErrorKind::OtherLoopRunning`] if the executor can't be
    /// nested in the one that runs on this thread.
    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error>;

    /// Gives a task to an executor with threads. Called from any thread, also while no thread
    /// drives the loop.
    ///
    /// Called only if the state is [`self_driving`](LoopState::self_driving). The tasks of other
    /// loops need no executor: `main` runs them, inside [`drive`](Self::drive).
    ///
    /// # Errors
    /// Returns an error if the executor takes no more tasks; the task is dropped, and so cancelled.
    /// Returns [`ErrorKind::Unsupported`] if there is no executor (the default).
    fn submit(&self, task: Task) -> Result<(), Error> {
        drop(task);
        Err(ErrorKind::Unsupported.into())
    }

    /// Gives a job to a thread where it may block. Called from any thread.
    ///
    /// # Errors
    /// Returns an error if no thread is available, or the loop takes no more jobs; the job is
    /// dropped.
    fn submit_blocking(&self, job: Job) -> Result<(), Error>;

    /// Makes a timer of this loop. Called from any thread.
    ///
    /// # Errors
    /// Returns an error if the executor has no timers.
    fn timer(&self, deadline: Instant) -> Result<Timer, Error>;

    /// Returns the loop as a selector; users call
    /// [`selector`](#method.selector).
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if the loop is no selector (the default).
    #[cfg(any(unix, windows))]
    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Err(unsupported(self.state(), "a selector"))
    }

    /// Returns the loop as a proactor, if its executor works like that; users call
    /// [`proactor`](#method.proactor), which emulates one on a selector.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if the loop is no proactor (the default).
    #[cfg(feature = "proactor")]
    fn as_proactor(&self) -> Result<&dyn Proactor, Error> {
        Err(unsupported(self.state(), "a proactor"))
    }

    /// Returns the adapter's own type, for features that only its loops have: see
    /// [`downcast_ref`](#method.downcast_ref).
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Returns false if the code on this thread, inside [`drive`](Self::drive), should return to
    /// the executor at once because the executor's own cooperative budget is used up.
    fn has_budget(&self) -> bool {
        true
    }

    /// Calls `poll` in the context that the executor's own functions need on a foreign thread
    /// (tokio's context). For [`block_on`](EventLoop#method.block_on).
    fn poll_inside(&self, poll: &mut dyn FnMut()) {
        poll();
    }

    /// Calls `f`, which blocks, on this thread, which runs tasks of the loop, after the executor
    /// has arranged that other tasks continue meanwhile.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`], without calling `f`, if the executor can't do that (the
    /// default).
    fn block_in_place(&self, f: &mut dyn FnMut()) -> Result<(), Error> {
        let _ = f;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the event loop {} can't have its other tasks run elsewhere while one blocks its thread; use `spawn_blocking`",
                self.state().name()
            ),
        ))
    }

    /// Prepares the loop for a host, whose main loop runs it turn by turn: from now on its reactor
    /// wakes its tasks while no thread drives it, too. If the reactor needs a turn for that, returns
    /// a descriptor that is readable while it does, for somebody to watch. Called once, by the
    /// thread that will run the loop.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`] if the reactor works only while a thread drives the loop
    /// (the default), or the error of the system.
    #[cfg(any(unix, windows))]
    fn become_guest(&self) -> Result<Option<OwnedIo>, Error> {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the event loop {} can't be a guest of another main loop: nothing wakes it while no thread drives it; use another, such as `DefaultEventLoopPolicy` or `TokioPolicy::current_thread()`",
                self.state().name()
            ),
        ))
    }

    /// Returns when the first of the executor's own timers is due, if tasks may have some that only
    /// a thread which drives the loop fires. Called by the thread that ran the last turn.
    fn own_timer(&self) -> Option<Instant> {
        None
    }

    /// Returns false if the loop also runs tasks that were not spawned through it, and so can't
    /// know when everything is idle: then a paused clock does not jump, and
    /// [`pause`](EventLoop#method.pause) returns [`ErrorKind::Unsupported`].
    fn knows_idle(&self) -> bool {
        true
    }

    /// Drops every task that is left, and waits, for at most `limit`, until no task is being polled
    /// and no worker thread is left.
    ///
    /// Called once, when the loop is closed: no thread drives it, and nothing is submitted any
    /// more. It may be called inside one of the loop's own tasks; then it does not wait.
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
