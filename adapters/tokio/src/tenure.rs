//! Whose the runtime behind a loop is.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(windows)]
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::tracker::Tracker;
use policy_core::{Error, ErrorKind};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::AbortHandle;

use crate::drive::Drive;
use crate::event_loop::TokioLoop;
use crate::nesting;

#[derive(Debug)]
pub(crate) enum Tenure {
    /// The loop's own: it goes with the loop.
    Owned(Owned),
    /// Somebody's, who gave a handle: the loop has its own tasks only.
    Lent(Lent),
    /// Somebody's, found on a thread: the loop is a view of it.
    Found,
}

#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) me: Weak<TokioLoop>,
    pub(crate) tracker: Tracker,
    /// The task that notices the end of the runtime.
    pub(crate) keeper: Mutex<Option<AbortHandle>>,
}

/// A runtime, out of its place while it is driven: a run and a shutdown exclude
/// each other anyway, and no lock is held across a run.
#[derive(Debug)]
pub(crate) struct Owned {
    runtime: Mutex<Option<Runtime>>,
}

impl Owned {
    /// Builds a runtime with all that tokio has.
    pub(crate) fn build(builder: &mut Builder) -> Result<Self, Error> {
        builder.enable_all();
        // Caught: tokio panics on a `TOKIO_WORKER_THREADS` that is no number, and if
        // no thread can be had.
        let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
        let runtime = built.map_err(|_| cannot_start(None))?.map_err(|e| cannot_start(Some(e)))?;
        Ok(Self { runtime: Mutex::new(Some(runtime)) })
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.lock().as_ref().map(|runtime| runtime.handle().clone())
    }

    pub(crate) fn block_on(&self, drive: &mut Drive<'_>) -> Result<(), Error> {
        struct PutBack<'a>(&'a Owned, Option<Runtime>);
        impl Drop for PutBack<'_> {
            fn drop(&mut self) {
                *self.0.lock() = self.1.take();
            }
        }
        let taken = PutBack(self, self.take());
        let runtime = taken.1.as_ref().ok_or(ErrorKind::LoopClosed)?;
        runtime.block_on(drive);
        Ok(())
    }

    pub(crate) fn take(&self) -> Option<Runtime> {
        self.lock().take()
    }

    /// Lets the runtime go without shutting it down.
    pub(crate) fn leak(&mut self) {
        mem::forget(self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long workers may take to drop their tasks when the limit is shorter: they do
/// it at once, unless one is in the midst of a long poll.
const PROMPT: Duration = Duration::from_millis(500);

/// Drops every task of a runtime. `jobs`: whether blocking jobs are running.
pub(crate) fn shut_down(runtime: Runtime, limit: Duration, jobs: bool) {
    let handle = runtime.handle().clone();
    if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
        // Drops the tasks here and now. Not `shutdown_timeout`, which waits first for
        // blocking jobs, that may wait for a task to be dropped.
        return runtime.shutdown_background();
    }
    // On a thread of its own, or under a poll of its own, it would wait for itself.
    if Handle::try_current().is_ok_and(|here| here.id() == handle.id()) {
        return runtime.shutdown_background();
    }
    let limit = limit.max(PROMPT);
    if nesting::is_polling() || (jobs && limit == PROMPT) {
        // tokio refuses to wait in async code; and it would wait for blocking jobs.
        runtime.shutdown_background();
        let began = Instant::now();
        while handle.metrics().num_alive_tasks() > 0 && began.elapsed() < limit {
            thread::sleep(Duration::from_micros(100));
        }
        return;
    }
    #[cfg(windows)]
    return shut_down_elsewhere(runtime, limit);
    #[cfg(not(windows))]
    runtime.shutdown_timeout(limit);
}

/// tokio joins its threads. Where a loop goes with its thread that would be for ever:
/// such a thread has the loader's lock, which others need to end, and to begin. So a
/// thread of its own joins; and if that can't begin, nobody waits for it.
#[cfg(windows)]
fn shut_down_elsewhere(runtime: Runtime, limit: Duration) {
    let (give, take) = mpsc::channel::<Runtime>();
    let (begin, begun) = mpsc::channel();
    let thread = thread::Builder::new().name("policy-tokio-end".into()).spawn(move || {
        let Ok(runtime) = take.recv() else { return };
        if begin.send(()).is_ok() {
            runtime.shutdown_timeout(limit);
        } else {
            runtime.shutdown_background();
        }
    });
    // Given only now: a closure that was refused would drop it, and wait without limit.
    match (thread, give.send(runtime)) {
        (Ok(_detached), Ok(())) => {
            if begun.recv_timeout(PROMPT).is_ok() {
                // Disconnected when it is done.
                let _done = begun.recv_timeout(limit.saturating_add(PROMPT));
            }
        }
        (_, Err(mpsc::SendError(runtime))) => runtime.shutdown_background(),
        (Err(_), Ok(())) => {}
    }
}

fn cannot_start(cause: Option<std::io::Error>) -> Error {
    let message = "can't start a tokio runtime; check TOKIO_WORKER_THREADS, and the limits of threads and descriptors";
    match cause {
        Some(cause) => Error::io(message, cause),
        None => Error::new(ErrorKind::Io, message),
    }
}
