//! The event loop on smol's executor.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use policy_async_io::selector::AsyncIo;
use policy_async_io::{blocking, drive, local, reactor, timer};
use policy_core::task::{LocalTask, Task};
use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Selector, Timer};

use crate::executor::OwnedExecutor;
use crate::turns;
use crate::workers::Workers;

/// The event loop on smol's parts: async-executor runs the tasks, async-io waits
/// for descriptors and timers (asyncio's `SelectorEventLoop`).
///
/// Tasks run on the thread that runs the loop, and wait while nobody does. Those
/// that were spawned with `spawn_local` belong to the thread that spawned them:
/// when the loop is closed on another thread, they go when their thread ends.
#[derive(Debug)]
pub struct SelectorEventLoop {
    state: LoopState,
    executor: OwnedExecutor,
    /// Threads that run the tasks while nobody drives the loop; `SmolPolicy` asks
    /// for them.
    workers: Option<Workers>,
}

impl SelectorEventLoop {
    /// Makes a loop. It does not run yet, and no policy knows it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], if the system has no descriptors or no thread for
    /// async-io's reactor, which the first loop starts.
    ///
    /// ```
    /// let event_loop = policy_smol::SelectorEventLoop::new()?;
    /// assert_eq!(event_loop.name(), "selector");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[allow(clippy::new_ret_no_self, reason = "loops are shared: every call takes an `Arc`")]
    pub fn new() -> Result<Arc<dyn EventLoop>, Error> {
        Self::current_thread("selector")
    }

    pub(crate) fn current_thread(name: &'static str) -> Result<Arc<dyn EventLoop>, Error> {
        reactor::start()?;
        Ok(Arc::new(Self::with_workers(name, None)))
    }

    pub(crate) fn multi_thread(
        name: &'static str,
        threads: NonZeroUsize,
    ) -> Result<Arc<dyn EventLoop>, Error> {
        reactor::start()?;
        let this = Arc::new(Self::with_workers(name, Some(Workers::default())));
        let event_loop: Arc<dyn EventLoop> = this.clone();
        let weak: Weak<dyn EventLoop> = Arc::downgrade(&event_loop);
        if let (Some(workers), Some(executor)) = (&this.workers, this.executor.get()) {
            if let Err(error) = workers.start(threads, &weak, &executor) {
                // Those that have started end now, not when the last handle goes.
                drop(executor);
                event_loop.close()?;
                return Err(error);
            }
        }
        Ok(event_loop)
    }

    fn with_workers(name: &'static str, workers: Option<Workers>) -> Self {
        Self {
            state: LoopState::new(name, LoopKind::Selector),
            executor: OwnedExecutor::new(),
            workers,
        }
    }
}

impl EventLoop for SelectorEventLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let Some(executor) = self.executor.get() else {
            return Err(ErrorKind::LoopClosed.into());
        };
        drive::drive(self.state.id(), main, |main| match &self.workers {
            None => async_io::block_on(turns::run(&executor, main)),
            Some(_) => async_io::block_on(executor.run(main)),
        })
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        self.executor.spawn(task)
    }

    fn submit_local(&self, task: LocalTask) -> Result<(), Error> {
        local::submit(self.state.id(), task)
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        blocking::submit(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timer::at(deadline))
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(&AsyncIo)
    }

    fn is_self_driving(&self) -> bool {
        self.workers.is_some()
    }

    fn shutdown(&self, limit: Duration) {
        let alone = self.workers.as_ref().is_none_or(|workers| workers.stop(limit));
        self.executor.close(alone);
        local::close(self.state.id());
    }
}

impl Drop for SelectorEventLoop {
    fn drop(&mut self) {
        if self.state.is_forked() {
            // Its workers are the parent's, and so may be the locks of its tasks.
            self.executor.forget();
        } else if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}
