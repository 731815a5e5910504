//! Threads that start children, so that no loop stands still meanwhile.
//!
//! A start blocks until the child has executed its program, 0.25–0.5 ms. A few
//! threads start children on several cores at once; more of them only make the
//! kernel's locks contended (measured: cores + 2 is best). A pool of our own and
//! not the loop's: its jobs may all be long ones, and its size is made for those.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::{Condvar, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use policy_core::task::{self, AbortHandle, JoinHandle, Task};
use policy_core::{Error, ErrorKind, local::fork_generation};

use crate::process::wakers::lock;

/// How long a thread stays when there is nothing to start.
const LINGER: Duration = Duration::from_millis(200);

/// Threads that end when there is nothing to do.
static POOL: Pool = Pool { state: Mutex::new(State::new()), work: Condvar::new() };

/// One thread that stays: the death signal of a child comes when the thread that
/// started it ends, not the process.
static KEEPER: Pool = Pool { state: Mutex::new(State::new()), work: Condvar::new() };

/// Which thread starts a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Where {
    /// Whichever is free.
    Pool,
    /// One that lives as long as the process.
    Keeper,
}

impl Where {
    fn pool(self) -> &'static Pool {
        match self {
            Self::Pool => &POOL,
            Self::Keeper => &KEEPER,
        }
    }
}

struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: VecDeque<Task>,
    threads: usize,
    idle: usize,
    /// A forked copy of the process has no threads.
    generation: u64,
}

impl State {
    const fn new() -> Self {
        Self { queue: VecDeque::new(), threads: 0, idle: 0, generation: 0 }
    }
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
    let pool = on.pool();
    let mut state = lock(&pool.state);
    if state.generation != fork_generation() {
        // The tasks of the parent are not ours to run; nor are its threads here.
        *state = State { generation: fork_generation(), ..State::new() };
    }
    state.queue.push_back(task);
    let (name, most) = match on {
        Where::Pool => ("policy-starter", most()),
        Where::Keeper => ("policy-keeper", 1),
    };
    if state.idle >= state.queue.len() || state.threads >= most {
        let sleeps = state.idle > 0;
        drop(state);
        // Those that are at work look again by themselves; telling nobody still is a
        // system call.
        if sleeps {
            pool.work.notify_one();
        }
        return;
    }
    match std::thread::Builder::new().name(name.into()).spawn(move || serve(on)) {
        Ok(_) => state.threads += 1,
        Err(_) if state.threads > 0 => {}
        Err(error) => {
            // No thread at all: the caller starts the child itself.
            log::debug!("no starter thread ({error}); children are started by the loop");
            let task = state.queue.pop_back();
            drop(state);
            task.into_iter().for_each(run_one);
        }
    }
}

fn serve(on: Where) {
    let pool = on.pool();
    let mut state = lock(&pool.state);
    loop {
        if let Some(task) = state.queue.pop_front() {
            drop(state);
            run_one(task);
            state = lock(&pool.state);
            continue;
        }
        state.idle += 1;
        let (waited, result) = pool
            .work
            .wait_timeout(state, LINGER)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state = waited;
        state.idle -= 1;
        if on == Where::Pool && result.timed_out() && state.queue.is_empty() {
            state.threads -= 1;
            return;
        }
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
