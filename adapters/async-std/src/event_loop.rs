//! The event loop on async-std's executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use policy_async_io::selector::AsyncIo;
use policy_async_io::{MOMENT, blocking, drive, timer};
use policy_core::task::Task;
use policy_core::tracker::{Tracked, Tracker};
use policy_core::{
    Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Selector, Timer, context,
};

use crate::executor;

/// A loop's share of async-std's executor, of which a process has one.
///
/// What is the loop's own is the set of its tasks: closing it ends these and no
/// others.
#[derive(Debug)]
pub(crate) struct AsyncStdEventLoop {
    state: LoopState,
    tasks: Tracker,
    this: Weak<Self>,
}

impl AsyncStdEventLoop {
    pub(crate) fn make() -> Result<Arc<dyn EventLoop>, Error> {
        executor::start()?;
        Ok(Arc::new_cyclic(|this| Self {
            state: LoopState::self_driving("async-std", LoopKind::Selector),
            tasks: Tracker::default(),
            this: this.clone(),
        }))
    }
}

impl EventLoop for AsyncStdEventLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        drive::drive(main, |main| async_std::task::block_on(main))
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        let Ok(task) = self.tasks.track(task) else {
            return Err(ErrorKind::LoopClosed.into());
        };
        // Their handle detaches when it is dropped, as ours does.
        drop(async_std::task::spawn(Scoped { event_loop: self.this.clone(), task }));
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        // Not `async_std::task::spawn_blocking`: see the module `blocking`.
        blocking::submit(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timer::at(deadline))
    }

    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(&AsyncIo)
    }

    fn shutdown(&self, limit: Duration) {
        // Inside a task of the executor, waiting could keep from running what is
        // waited for.
        let inside = async_std::task::try_current().is_some();
        let limit = if inside { Duration::ZERO } else { limit.max(MOMENT) };
        let left = self.tasks.abort_all(limit);
        if left > 0 {
            // They end when their polls return.
            log::debug!("event loop {} closed with {left} tasks in a poll", self.state.name());
        }
    }
}

impl Drop for AsyncStdEventLoop {
    fn drop(&mut self) {
        // In a child of `fork` the tasks are the parent's.
        if !self.state.is_forked() && self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}

/// A task that finds its loop, on whatever thread async-std polls it.
struct Scoped {
    /// Weak: a task that waits for ever does not keep its loop open, as on loops
    /// with executors of their own.
    event_loop: Weak<AsyncStdEventLoop>,
    task: Tracked,
}

impl Future for Scoped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(event_loop) = self.event_loop.upgrade() else {
            // The loop is gone, and dropping the task cancels it.
            return Poll::Ready(());
        };
        let event_loop: Arc<dyn EventLoop> = event_loop;
        context::scope(&event_loop, || Pin::new(&mut self.task).poll(cx))
    }
}
