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

use std::time::Duration;

use policy_core::threads::Threads;
use policy_core::{Error, Job};

/// As many as `blocking` and tokio would start: jobs wait for disks and children,
/// they do not compute.
const MAX_THREADS: usize = 500;

/// How long a thread waits for another job before it ends.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

static THREADS: Threads<Job> = Threads::new("policy-blocking", KEEP_ALIVE, Job::run);

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
    // A job that is refused is dropped outside the lock: that runs destructors of its own.
    THREADS.submit(job, MAX_THREADS).map_err(|(error, _refused)| no_thread(error))
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
