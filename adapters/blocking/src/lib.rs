//! The thread pool for blocking jobs of every loop whose executor has no suitable one: smol's,
//! async-std's and compio's.
//!
//! It replaces the crate `blocking`, which smol and async-std use: if the system has no thread
//! left, its `unblock` tries again for ever while it holds the pool's lock (1.7, `grow_pool`: the
//! limit that it lowers is not the one that its loop reads). The loop's own thread would spin
//! there, and the remaining threads could take no job. It also replaces compio's own pool, which
//! spins on the loop's thread when its 256 threads are busy. This pool returns an error, or queues.
//!
//! Users call the crate `policy`.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use policy_core::local::Generation;
use policy_core::{Error, Job};

/// As many as `blocking` and tokio would start: jobs wait for disks and children,
/// they do not compute.
const MAX_THREADS: usize = 500;

/// How long a thread waits for another job before it ends.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// The first pool of the process, and after it those of forked children.
static POOLS: OnceLock<Pool> = OnceLock::new();

/// Gives a job to a thread of the pool, which all loops share. A child of `fork` has a pool
/// of its own.
///
/// # Errors
/// Returns [`ErrorKind::Io`](policy_core::ErrorKind::Io) if the pool has no thread and can't start
/// one; the job is dropped, and so cancelled.
///
/// ```
/// use std::time::Duration;
///
/// let gauge = policy_core::blocking::Gauge::default();
/// let (job, handle) = gauge.job(|| 6 * 7);
/// policy_blocking::submit(job)?;
/// assert_eq!(gauge.wait_finished(Duration::from_secs(10)), 0);
/// assert!(handle.is_finished());
/// # Ok::<(), policy_core::Error>(())
/// ```
pub fn submit(job: Job) -> Result<(), Error> {
    let pool = Pool::of_this_process();
    let mut inner = pool.lock();
    inner.queue.push_back(job);
    if inner.idle >= inner.queue.len() {
        drop(inner);
        pool.more.notify_one();
        return Ok(());
    }
    if inner.threads < MAX_THREADS {
        // Under the lock: a thread that starts takes it next, and no second
        // thread is started for the same job.
        match thread::Builder::new().name("policy-blocking".into()).spawn(|| work(pool)) {
            Ok(_detached) => inner.threads += 1,
            Err(error) if inner.threads == 0 => {
                let refused = inner.queue.pop_back();
                drop(inner);
                // Outside the lock: dropping a job runs destructors of its own.
                drop(refused);
                return Err(no_thread(error));
            }
            // Those that are there will come to it.
            Err(error) => {
                log::warn!("can't start a thread for a blocking job, so it waits: {error}")
            }
        }
    }
    Ok(())
}

/// Makes the error for a thread that the system refused.
///
/// ```
/// let error = policy_blocking::no_thread(std::io::Error::from_raw_os_error(11));
/// assert_eq!(error.kind(), policy_core::ErrorKind::Io);
/// ```
pub fn no_thread(error: std::io::Error) -> Error {
    Error::io("can't start a thread; end others, or raise the limit (`ulimit -u`)", error)
}

struct Pool {
    /// Of the process whose threads these are. In a forked child they are not there, and
    /// perhaps a lock that nobody opens any more.
    generation: Generation,
    inner: Mutex<Inner>,
    more: Condvar,
    /// That of the child. The parent's jobs are neither run there nor dropped.
    next: OnceLock<Box<Pool>>,
}

struct Inner {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Inner {
    const fn new() -> Self {
        Self { queue: VecDeque::new(), threads: 0, idle: 0 }
    }
}

impl Pool {
    const fn new(generation: Generation) -> Self {
        Self {
            generation,
            inner: Mutex::new(Inner::new()),
            more: Condvar::new(),
            next: OnceLock::new(),
        }
    }

    fn of_this_process() -> &'static Self {
        let generation = Generation::current();
        let mut pool = POOLS.get_or_init(|| Self::new(generation));
        while pool.generation != generation {
            pool = pool.next.get_or_init(|| Box::new(Self::new(generation)));
        }
        pool
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(pool: &Pool) {
    let mut inner = pool.lock();
    loop {
        if let Some(job) = inner.queue.pop_front() {
            drop(inner);
            // Never panics: the job's handle has the payload.
            job.run();
            inner = pool.lock();
            continue;
        }
        inner.idle += 1;
        let (next, waited) =
            pool.more.wait_timeout(inner, KEEP_ALIVE).unwrap_or_else(PoisonError::into_inner);
        inner = next;
        inner.idle -= 1;
        // Counted out under the lock under which the queue was seen to be empty:
        // a job that comes later finds no idle thread, and gets a new one.
        if waited.timed_out() && inner.queue.is_empty() {
            inner.threads -= 1;
            return;
        }
    }
}
