//! Limits on what a caller may ask for: a number that comes from a name, an environment variable or
//! a configuration must not be able to end the process.

use std::num::NonZeroUsize;
use std::thread;

use crate::{Error, ErrorKind};

/// The number of worker threads that a loop may have on a machine without more processors. Every
/// machine can start that many; a hundred thousand reach the limits of the system half-way, where
/// an executor panics or is aborted.
pub const WORKER_THREADS: usize = 1024;

/// Checks a number of worker threads.
///
/// # Errors
/// Returns [`ErrorKind::InvalidInput`] for 0, and for a number that is above both
/// [`WORKER_THREADS`] and the number of processors.
pub fn worker_threads(asked: usize) -> Result<NonZeroUsize, Error> {
    let most = || thread::available_parallelism().map_or(1, NonZeroUsize::get).max(WORKER_THREADS);
    match NonZeroUsize::new(asked) {
        Some(count) if asked <= WORKER_THREADS || asked <= most() => Ok(count),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{asked} worker threads are more than a loop may have, which is {}; ask for fewer",
                most()
            ),
        )),
        None => Err(Error::new(
            ErrorKind::InvalidInput,
            "0 worker threads can't run a loop; ask for at least 1",
        )),
    }
}
