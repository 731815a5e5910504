//! Minimal loops that break the contract, each in one way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopKind};

use super::{Bell, MinimalLoop};

/// A policy of loops that are broken in one way.
pub(crate) fn policy(sabotage: Sabotage) -> Arc<dyn EventLoopPolicy> {
    let make = move || {
        let state = LoopState::new("broken", LoopKind::Selector);
        let inner = MinimalLoop { state };
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
    inner: MinimalLoop,
    sabotage: Sabotage,
}

impl EventLoop for Broken {
    fn state(&self) -> &LoopState {
        self.inner.state()
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        match self.sabotage {
            Sabotage::Panics => unreachable!("sabotaged"),
            Sabotage::ForgetsWakeUps => {
                let bell = Arc::<Bell>::default();
                let waker = Waker::from(bell.clone());
                while main.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    *bell.rung.lock().unwrap() = false;
                    bell.wait();
                }
                Ok(())
            }
            _ => self.inner.drive(main),
        }
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        if self.sabotage == Sabotage::BlocksItself {
            job.run();
            return Ok(());
        }
        self.inner.submit_blocking(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let deadline = match self.sabotage {
            Sabotage::EarlyTimers => deadline.checked_sub(Duration::from_millis(2)),
            _ => Some(deadline),
        };
        self.inner.timer(deadline.unwrap_or_else(Instant::now))
    }

    fn shutdown(&self, limit: Duration) {
        self.inner.shutdown(limit);
    }
}
