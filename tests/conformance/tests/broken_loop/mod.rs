//! Minimal loops that break the contract, each in one way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, EventLoop, EventLoopPolicy};

/// A policy of loops that are broken in one way.
pub(crate) fn policy(sabotage: Sabotage) -> Arc<dyn EventLoopPolicy> {
    let make = move || {
        let inner = crate::minimal_loop::policy().new_event_loop()?;
        Ok(Arc::new(Broken { inner, sabotage }) as Arc<dyn EventLoop>)
    };
    Arc::new(ContextPolicy::new(make, policy::context::Context::thread()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// A wake-up that comes while the loop runs is forgotten when it goes to sleep.
    ForgetsWakeUps,
    EarlyTimers,
    /// Blocking jobs run where they are asked for.
    BlocksItself,
    /// The run ends in a panic of the loop's own.
    Panics,
}

#[derive(Debug)]
struct Broken {
    inner: Arc<dyn EventLoop>,
    sabotage: Sabotage,
}

/// Wakes the thread that drives the loop.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl EventLoop for Broken {
    fn state(&self) -> &LoopState {
        EventLoop::state(&*self.inner)
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        match self.sabotage {
            Sabotage::Panics => unreachable!("sabotaged"),
            Sabotage::ForgetsWakeUps => {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                while main.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    // Takes the token of a wake-up that came since the poll.
                    thread::park_timeout(Duration::ZERO);
                    thread::park();
                }
                Ok(())
            }
            _ => EventLoop::drive(&*self.inner, main),
        }
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        if self.sabotage == Sabotage::BlocksItself {
            job.run();
            return Ok(());
        }
        EventLoop::submit_blocking(&*self.inner, job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let deadline = match self.sabotage {
            Sabotage::EarlyTimers => deadline.checked_sub(Duration::from_millis(2)),
            _ => Some(deadline),
        };
        EventLoop::timer(&*self.inner, deadline.unwrap_or_else(Instant::now))
    }

    fn shutdown(&self, limit: Duration) {
        EventLoop::shutdown(&*self.inner, limit);
    }
}
