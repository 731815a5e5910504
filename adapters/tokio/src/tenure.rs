//! Whose the runtime behind a loop is.

use std::future::{Future, pending};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(windows)]
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::sync::{Condvar, Mutex};
use policy_core::tracker::Tracker;
use policy_core::{Error, ErrorKind, MainFuture};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::AbortHandle;

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
    pub(crate) sentinel: Mutex<Option<AbortHandle>>,
}

/// A runtime of the loop's own.
#[derive(Debug)]
pub(crate) struct Owned {
    depot: Arc<Depot>,
}

/// A runtime, out of its depot while it is driven: a run and a shutdown exclude each other
/// anyway, and no lock is held across a run.
#[derive(Debug, Default)]
struct Depot {
    held: Mutex<Held>,
    /// The runtime is back.
    back: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    runtime: Option<Runtime>,
    /// Of a guest: what the thread waits for that drives the runtime.
    guest: Option<AbortHandle>,
    /// Nobody waits for the runtime to come back.
    is_given_up: bool,
}

impl Owned {
    /// Builds a runtime with all that tokio has.
    pub(crate) fn build(builder: &mut Builder) -> Result<Self, Error> {
        builder.enable_all();
        // Caught: tokio panics on a `TOKIO_WORKER_THREADS` that is no number, and if
        // no thread can be had.
        let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
        let runtime = built.map_err(|_| cannot_start(None))?.map_err(|e| cannot_start(Some(e)))?;
        let held = Held { runtime: Some(runtime), ..Held::default() };
        Ok(Self { depot: Arc::new(Depot { held: Mutex::new(held), back: Condvar::new() }) })
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.depot.held.lock().runtime.as_ref().map(|runtime| runtime.handle().clone())
    }

    pub(crate) fn block_on(&self, handle: &Handle, main: &mut MainFuture<'_>) -> Result<(), Error> {
        if self.depot.held.lock().guest.is_some() {
            // Beside the thread that drives it.
            handle.block_on(main);
            return Ok(());
        }
        self.depot.block_on(main).ok_or_else(|| ErrorKind::LoopClosed.into())
    }

    /// Has a thread drive the runtime, its reactor and its timers, until that is taken.
    /// Another can't look at them: tokio shows no descriptor.
    ///
    /// # Errors
    /// The system's, if it has no thread.
    pub(crate) fn become_guest(&self, handle: &Handle) -> io::Result<()> {
        let waits = handle.spawn(pending::<()>());
        self.depot.held.lock().guest = Some(waits.abort_handle());
        let depot = self.depot.clone();
        let name = thread::Builder::new().name("policy-guest".into());
        let started = name.spawn(move || drop(depot.block_on(waits)));
        started.map(drop).inspect_err(|_| drop(self.depot.held.lock().guest.take()))
    }

    /// Takes the runtime out; waits for it, at most for `limit`, if a thread drives it. If it
    /// does not come back in time, that thread shuts it down.
    pub(crate) fn take(&self, limit: Duration) -> Option<Runtime> {
        let mut held = self.depot.held.lock();
        if let Some(guest) = held.guest.take() {
            guest.abort();
            held = self.depot.back.wait_for(held, limit, |held| held.runtime.is_none()).0;
        }
        held.is_given_up = true;
        held.runtime.take()
    }

    /// Lets the runtime go without shutting it down.
    pub(crate) fn leak(&self) {
        mem::forget(self.depot.clone());
    }
}

impl Depot {
    /// Drives the runtime until `future` is done; `None` if somebody else has it.
    fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        struct PutBack<'a>(&'a Depot, Option<Runtime>);
        impl Drop for PutBack<'_> {
            fn drop(&mut self) {
                let mut held = self.0.held.lock();
                match self.1.take() {
                    Some(runtime) if held.is_given_up => {
                        drop(held);
                        runtime.shutdown_background();
                    }
                    runtime => held.runtime = runtime,
                }
                self.0.back.notify_all();
            }
        }
        let runtime = self.held.lock().runtime.take();
        let taken = PutBack(self, Some(runtime?));
        Some(taken.1.as_ref()?.block_on(future))
    }
}

/// How long workers may take to drop their tasks when the limit is shorter: they do
/// it at once, unless one is in the midst of a long poll.
pub(crate) const PROMPT: Duration = Duration::from_millis(500);

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
