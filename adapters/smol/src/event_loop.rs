//! The event loop on smol's executor.

use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_executor::Executor;
use policy_async_io::selector::AsyncIo;
use policy_async_io::{MOMENT, blocking, drive, reactor, timer};
use policy_core::limits::ThreadOptions;
use policy_core::os::OwnedIo;
use policy_core::task::Task;
use policy_core::tracker::Tracker;
use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Selector, Timer};

use crate::executor::OwnedExecutor;
use crate::workers::Workers;

/// The event loop on smol's crates: async-io waits for descriptors and timers; async-executor runs
/// the tasks, if the loop has threads.
#[derive(Debug)]
pub(crate) struct SmolLoop {
    state: LoopState,
    /// Where tasks run while nobody drives the loop; `SmolPolicy` asks for that. Else
    /// the thread that drives the loop runs them.
    threads: Option<Threads>,
}

#[derive(Debug)]
struct Threads {
    executor: OwnedExecutor,
    workers: Workers,
    /// An executor that is dropped while a task of its is woken can lose that task. So
    /// the tasks end first, while the workers still run.
    tasks: Tracker,
}

impl SmolLoop {
    pub(crate) fn current_thread() -> Result<Arc<dyn EventLoop>, Error> {
        reactor::start()?;
        let state = LoopState::new("smol:current_thread", LoopKind::Selector);
        Ok(Arc::new(Self { state, threads: None }))
    }

    pub(crate) fn multi_thread(
        threads: NonZeroUsize,
        options: &ThreadOptions,
    ) -> Result<Arc<dyn EventLoop>, Error> {
        options.check()?;
        reactor::start()?;
        let this = Arc::new(Self {
            state: LoopState::self_driving("smol:multi_thread", LoopKind::Selector),
            threads: Some(Threads {
                executor: OwnedExecutor::new(),
                workers: Workers::default(),
                tasks: Tracker::default(),
            }),
        });
        let event_loop: Arc<dyn EventLoop> = this.clone();
        let weak: Weak<dyn EventLoop> = Arc::downgrade(&event_loop);
        if let Some(Threads { executor, workers, .. }) = &this.threads {
            if let Err(error) = executor.get().map_or(Ok(()), |executor| {
                // Those that have started hold it only while they run.
                workers.start(threads, &weak, &executor, options)
            }) {
                event_loop.close()?;
                return Err(error);
            }
        }
        Ok(event_loop)
    }
}

impl EventLoop for SmolLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let executor = self.threads.as_ref().and_then(|threads| threads.executor.get());
        match &executor {
            Some(executor) => drive::drive(main, |main| async_io::block_on(helps(executor, main))),
            None => drive::drive(main, |main| async_io::block_on(main)),
        }
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        match &self.threads {
            Some(threads) => match threads.tasks.track(task) {
                Ok(task) => threads.executor.spawn(task),
                Err(_closed) => Err(ErrorKind::LoopClosed.into()),
            },
            None => Err(ErrorKind::Unsupported.into()),
        }
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

    fn become_guest(&self) -> Result<Option<OwnedIo>, Error> {
        // async-io's reactor has a thread of its own.
        Ok(None)
    }

    fn shutdown(&self, limit: Duration) {
        if let Some(threads) = &self.threads {
            threads.tasks.abort_all(limit.max(MOMENT));
            let alone = threads.workers.stop(limit);
            threads.executor.close(alone);
        }
    }
}

impl Drop for SmolLoop {
    fn drop(&mut self) {
        if self.state.is_forked() {
            // Its workers are the parent's, and so may be the locks of its tasks.
            if let Some(threads) = &self.threads {
                threads.executor.forget();
            }
        } else if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}

/// How many tasks the thread that drives runs before the reactor has its turn.
const TURN: usize = 8;

/// Polls `main`, and runs tasks while that waits.
///
/// Not `executor.run(main)`: that is one more of the executor's sleepers, which is woken
/// for a task in place of a worker that has time, while the main future computes. This
/// takes what is there and sleeps as nobody, so that the workers are woken for the rest.
async fn helps(executor: &Executor<'static>, mut main: Pin<&mut dyn Future<Output = ()>>) {
    poll_fn(|cx| {
        if main.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if (0..TURN).take_while(|_| executor.try_tick()).count() > 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}
