//! The calls for a thread that does not run the loop.

use std::future::{self, Future};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::context::{self, EnterGuard};
use crate::local::Generation;
use crate::task::JoinHandle;
use crate::{Error, ErrorKind, EventLoop, budget};

impl dyn EventLoop {
    /// Makes this the loop that ambient calls on this thread use, until the guard is dropped:
    /// `policy::spawn`, timers and sockets.
    ///
    /// It runs nothing, and the thread may still block, and run this loop or another. Guards may be
    /// dropped in any order; each stays on its thread. To give a future a loop, use
    /// `policy::within`: a guard must not be held across an `.await`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// let entered = event_loop.enter();
    /// // `policy::spawn` spawns onto `event_loop` here.
    /// drop(entered);
    /// # }
    /// ```
    pub fn enter(self: &Arc<Self>) -> EnterGuard {
        context::enter(self.clone())
    }

    /// Blocks this thread until `future` completes, while another thread, or the executor's own
    /// threads, run the loop (asyncio's `run_coroutine_threadsafe` and `result`; tokio's
    /// `Handle::block_on`).
    ///
    /// This thread polls the future, so it need not be `Send`; its tasks, timers and sockets belong
    /// to the loop. They make no progress while no thread runs the loop.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NoRunningLoop`] if no thread runs the loop, and no other thread hosts it
    /// as a `policy::Guest`: run it here, with [`run_until_complete`](#method.run_until_complete). Returns [`ErrorKind::AlreadyRunning`] or
    /// [`ErrorKind::OtherLoopRunning`] if a loop polls this code, so that blocking would stop that
    /// loop. Returns [`ErrorKind::LoopClosed`] if the loop was closed, also meanwhile, and
    /// [`ErrorKind::Forked`] in a child of `fork`; the future is dropped then.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let elsewhere = event_loop.clone();
    /// let task = event_loop.spawn_blocking(move || elsewhere.block_on(async { 6 * 7 }));
    /// assert_eq!(event_loop.run_until_complete(task)?.unwrap()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(self: &Arc<Self>, future: F) -> Result<F::Output, Error> {
        self.state().check_open()?;
        context::refuse_nesting(self)?;
        let is_hosted = self.state().ready().is_hosted_elsewhere();
        if !self.is_running() && !self.is_self_driving() && !is_hosted {
            return Err(Error::new(
                ErrorKind::NoRunningLoop,
                format!(
                    "nobody runs the event loop {}, so nothing would wake this thread; run it here: `run_until_complete`",
                    self.name()
                ),
            ));
        }
        let mut end = self.at_end_of_tasks(|| ());
        let mut future = pin!(future);
        let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
        let waker = Waker::from(unpark.clone());
        let cx = &mut Context::from_waker(&waker);
        loop {
            let mut polled = None;
            self.poll_inside(&mut || {
                // Once, whatever an adapter does: the future may have ended.
                if polled.is_none() {
                    let poll = || budget::renewed(|| future.as_mut().poll(cx));
                    polled = Some(context::scope(self, poll));
                }
            });
            match polled {
                Some(Poll::Ready(output)) => return Ok(output),
                Some(Poll::Pending) => {}
                // Nobody would wake this thread.
                None => return Err(unpolled()),
            }
            if self.state().is_forked() {
                // Nobody is here to wake this thread, nor to hear that the wait has ended.
                std::mem::forget(end);
                return Err(ErrorKind::Forked.into());
            }
            if end.is_over(cx) {
                return Err(ErrorKind::LoopClosed.into());
            }
            // Woken by us alone: a stray `unpark` is no wake-up.
            while !unpark.woken.swap(false, Ordering::Acquire) {
                thread::park();
            }
        }
    }

    /// Calls `f` when the loop has ended, on whatever thread ends it; also when the guard is dropped.
    /// For those whom the end does not drop, because another executor polls them.
    #[doc(hidden)]
    pub fn at_end(&self, f: impl FnOnce() + Send + 'static) -> AtEnd {
        if self.state().is_adopted() {
            return AtEnd { task: None, generation: Generation::current() };
        }
        self.at_end_of_tasks(f)
    }

    fn at_end_of_tasks(&self, f: impl FnOnce() + Send + 'static) -> AtEnd {
        let call = Call(Some(f));
        // On a loop that has ended it is dropped at once.
        let (task, _accepted) = self.start_task(async move {
            let _call = call;
            future::pending::<()>().await;
        });
        AtEnd { task: Some(task), generation: Generation::current() }
    }
}

fn unpolled() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the event loop did not poll the future that this thread blocks for; report it to its adapter",
    )
}

/// Knows when a loop ends, by a task of it that does nothing else.
#[doc(hidden)]
#[derive(Debug)]
pub struct AtEnd {
    /// `None` for a loop that somebody else runs: its reactor says by itself that it ends.
    task: Option<JoinHandle<()>>,
    generation: Generation,
}

impl AtEnd {
    /// Returns true if the loop has ended; wakes the task when it does.
    pub(crate) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(task) = &mut self.task else { return false };
        budget::unconstrained(|| Pin::new(task).poll(cx)).is_ready()
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        // In a forked child the task is the parent's, and so may be the locks around it.
        if let Some(task) = self.task.take() {
            match self.generation.is_past() {
                true => mem::forget(task),
                false => task.abort(),
            }
        }
    }
}

struct Call<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Call<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
