//! Debug mode: what holds a loop up is named.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::heart::Ready;
use crate::task;

/// Turns debug mode on for each loop that is made, unless it is empty or `0`.
const VARIABLE: &str = "EVENT_LOOP_DEBUG";

pub(crate) fn from_env() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty() && value != "0")
}

/// How long a callback or a poll may take before it is reported.
pub(crate) struct Slow(AtomicU64);

impl Default for Slow {
    fn default() -> Self {
        let slow = Self(AtomicU64::new(0));
        slow.set(Duration::from_millis(100));
        slow
    }
}

impl Slow {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    pub(crate) fn set(&self, duration: Duration) {
        // 584 years are as good as for ever.
        self.0.store(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Reports what began at `began`, if it took too long.
    pub(crate) fn check(&self, began: Instant, what: impl fmt::Display) {
        // Not the loop's clock, which may stand still: what is measured is the thread.
        let took = began.elapsed();
        let limit = self.get();
        if took >= limit {
            log::warn!(
                "{what} took {took:?}, and held its thread up for more than {limit:?}; move what blocks to `spawn_blocking`"
            );
        }
    }
}

/// In debug mode: wraps a future so that its slow polls are reported.
pub(crate) fn watched<F>(
    future: F,
    ready: &Arc<Ready>,
    location: &'static Location<'static>,
) -> Watched<F> {
    Watched { future, location, ready: ready.clone() }
}

pub(crate) struct Watched<F> {
    future: F,
    location: &'static Location<'static>,
    ready: Arc<Ready>,
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let polled = Pin::new(&mut self.future).poll(cx);
        if let (true, Some(id)) = (self.ready.is_debug(), task::try_id()) {
            let location = self.location;
            let slow = self.ready.slow();
            slow.check(began, format_args!("a poll of task {id}, spawned at {location},"));
        }
        polled
    }
}
