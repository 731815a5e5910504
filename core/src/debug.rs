//! Debug mode: what holds a loop up is named.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::LoopState;
use crate::callbacks::Callbacks;
use crate::task::{self, Id, LocalTask, Task};

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

/// In debug mode: wraps a task so that its slow polls are reported. That costs an
/// allocation; decided at the spawn, it costs other tasks' polls nothing.
#[inline]
pub(crate) fn watched(task: Task, state: &LoopState, location: &'static Location<'static>) -> Task {
    match state.callbacks().is_debug() {
        true => watch(task, state, location),
        false => task,
    }
}

/// As [`watched`].
#[inline]
pub(crate) fn watched_local(
    task: LocalTask,
    state: &LoopState,
    location: &'static Location<'static>,
) -> LocalTask {
    match state.callbacks().is_debug() {
        true => watch_local(task, state, location),
        false => task,
    }
}

#[cold]
fn watch(task: Task, state: &LoopState, location: &'static Location<'static>) -> Task {
    let id = task.id();
    let callbacks = state.callbacks().clone();
    let (watched, detached) = task::new(Watched { task, id, location, callbacks });
    drop(detached);
    watched
}

#[cold]
fn watch_local(
    task: LocalTask,
    state: &LoopState,
    location: &'static Location<'static>,
) -> LocalTask {
    let id = task.id();
    let callbacks = state.callbacks().clone();
    let (watched, detached) = task::new_local(Watched { task, id, location, callbacks });
    drop(detached);
    watched
}

struct Watched<T> {
    task: T,
    id: Id,
    location: &'static Location<'static>,
    callbacks: Arc<Callbacks>,
}

impl<T: Future<Output = ()> + Unpin> Future for Watched<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let began = Instant::now();
        let polled = Pin::new(&mut self.task).poll(cx);
        if self.callbacks.is_debug() {
            let Self { id, location, .. } = &*self;
            self.callbacks
                .slow()
                .check(began, format_args!("a poll of task {id}, spawned at {location},"));
        }
        polled
    }
}
