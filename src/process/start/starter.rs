//! Threads that start children, so that no loop stands still meanwhile.
//!
//! A start blocks until the child has executed its program, 0.25–0.5 ms. A few
//! threads start children on several cores at once; more of them only make the
//! kernel's locks contended (measured: cores + 2 is best). A pool of our own and
//! not the loop's: its jobs may all be long ones, and its size is made for those.

use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Waker};
use std::time::Duration;

use policy_core::task::{self, AbortHandle, JoinHandle, Task};
use policy_core::threads::Threads;
use policy_core::{Error, ErrorKind};

/// Threads that end when there is nothing to do for so long.
static POOL: Threads<Task> = Threads::new("policy-starter", Duration::from_millis(200), run_one);

/// One thread that stays: the death signal of a child comes when the thread that
/// started it ends, not the process.
static KEEPER: Threads<Task> = Threads::new("policy-keeper", Duration::MAX, run_one);

/// Which thread starts a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Where {
    /// Whichever is free.
    Pool,
    /// One that lives as long as the process.
    Keeper,
}

/// Runs `f` on a starter thread and returns what it returns.
///
/// Dropped before `f` has begun, it is never called; dropped later, its result is
/// dropped where it ran.
///
/// # Errors
/// If `f` panics.
pub(in crate::process) async fn run<T: Send + 'static>(
    on: Where,
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (task, handle) = task::new(async move { f() });
    let mut job = Job { abort: handle.abort_handle(), handle };
    submit(on, task);
    poll_fn(|cx| Pin::new(&mut job.handle).poll(cx)).await.map_err(|error| {
        Error::new(ErrorKind::Io, "starting the child panicked; see the message of the panic")
            .with_source(io::Error::other(error.to_string()))
    })
}

/// Runs `f` on the thread that stays, and waits for it on this one.
///
/// # Errors
/// If there can be no such thread, or `f` panics.
pub(in crate::process) fn run_on_keeper<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let (task, _detached) = task::new(async move {
        // Nobody listens only if this thread panicked.
        let _told = tell.send(f());
    });
    submit(Where::Keeper, task);
    told.recv().map_err(|_| {
        Error::new(ErrorKind::Io, "starting the child panicked; see the message of the panic")
    })
}

struct Job<T> {
    handle: JoinHandle<T>,
    abort: AbortHandle,
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

fn submit(on: Where, task: Task) {
    let submitted = match on {
        Where::Pool => POOL.submit(task, most()),
        Where::Keeper => KEEPER.submit(task, 1),
    };
    if let Err((error, task)) = submitted {
        // No thread at all: the caller starts the child itself.
        log::debug!("no starter thread ({error}); children are started by the loop");
        run_one(task);
    }
}

fn run_one(task: Task) {
    // One poll runs the closure: see `run`. It never panics.
    let _ready = pin!(task).poll(&mut Context::from_waker(Waker::noop()));
}

fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get) + 2)
}
