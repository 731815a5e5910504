//! The start of async-std's executor, with errors instead of panics.

use std::env;
use std::num::NonZeroUsize;
use std::panic::catch_unwind;
use std::thread;

use policy_async_io::reactor;
use policy_async_io::start::{StartOnce, try_threads};
use policy_core::{Error, ErrorKind, limits};

/// Starts the executor's threads, unless they run already.
///
/// async-std panics where the system has too few threads for it, and from then on
/// at each use; so they are tried first.
pub(crate) fn start() -> Result<(), Error> {
    static STARTED: StartOnce = StartOnce::new();
    reactor::start()?;
    STARTED.start(|| {
        try_threads(threads()?)?;
        let started = catch_unwind(|| drop(async_std::task::spawn(async {})));
        started.map_err(|_payload| {
            Error::new(
                ErrorKind::Io,
                "async-std's executor did not start; end threads, or choose another policy",
            )
        })
    })
}

/// Returns how many threads async-std starts.
///
/// # Errors
/// [`ErrorKind::InvalidInput`], if the environment asks for too many.
fn threads() -> Result<usize, Error> {
    let asked = env::var("ASYNC_STD_THREAD_COUNT").ok().and_then(|count| count.parse().ok());
    match asked {
        // 0 is 1 there.
        Some(count) => limits::worker_threads(usize::max(count, 1)).map(NonZeroUsize::get),
        None => Ok(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
    }
}
