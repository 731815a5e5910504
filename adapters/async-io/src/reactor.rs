//! The start of async-io, with errors instead of panics.

use std::panic::catch_unwind;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use policy_core::{Error, ErrorKind};

use crate::start::{StartOnce, try_threads};

/// Starts async-io's reactor, unless it runs already.
///
/// async-io starts by itself on its first use, and panics if that fails. A failure half-way is
/// permanent: its thread is gone then, and is never started again. So call this before you make a
/// loop, while a failure is still harmless.
///
/// # Errors
/// Returns [`ErrorKind::Io`] if no descriptors or no thread are available; a later call tries
/// again. Returns [`ErrorKind::Forked`] in a child of `fork` whose parent had started it.
///
/// ```
/// policy_async_io::reactor::start()?;
/// # Ok::<(), policy_core::Error>(())
/// ```
pub fn start() -> Result<(), Error> {
    static STARTED: StartOnce = StartOnce::new();
    STARTED.start(|| {
        // Gets what async-io is about to get, and gives it back.
        drop(polling::Poller::new().map_err(|error| {
            Error::io(
                "can't start async-io's reactor; close descriptors, or raise RLIMIT_NOFILE",
                error,
            )
        })?);
        try_threads(1)?;
        first_use()
    })
}

fn first_use() -> Result<(), Error> {
    // Another thread of the program may have taken what was there just now.
    let used = catch_unwind(|| {
        // A timer that is due would not reach the reactor.
        let mut timer = pin!(async_io::Timer::after(Duration::from_secs(3600)));
        let _pending = timer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    used.map_err(|_payload| {
        Error::new(
            ErrorKind::Io,
            "async-io's reactor did not start; free descriptors and threads, and try again",
        )
    })
}
