//! Starting something once for the life of the process, with errors.

use std::sync::OnceLock;
use std::thread;

use policy_core::sync::Mutex;
use policy_core::{Error, ErrorKind};

/// Starts something once: a failure is returned as an error, and a later call tries again.
///
/// ```
/// use policy_async_io::start::StartOnce;
///
/// static STARTED: StartOnce = StartOnce::new();
/// STARTED.start(|| Ok(()))?;
/// STARTED.start(|| unreachable!("it has started"))?;
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct StartOnce {
    /// The fork generation in which it has started.
    started: OnceLock<u64>,
    /// One at a time: two that try would take the last descriptors from each other.
    starting: Mutex<()>,
}

impl StartOnce {
    /// Makes a value that has not started anything.
    pub const fn new() -> Self {
        Self { started: OnceLock::new(), starting: Mutex::new(()) }
    }

    /// Calls `start`, unless it has succeeded before.
    ///
    /// # Errors
    /// Returns the error of `start`, and [`ErrorKind::Forked`] in a child of `fork` whose parent
    /// has started it.
    pub fn start(&self, start: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        if let Some(&generation) = self.started.get() {
            return check_not_forked(generation);
        }
        let _starting = self.starting.lock();
        if let Some(&generation) = self.started.get() {
            return check_not_forked(generation);
        }
        start()?;
        self.started.get_or_init(fork_generation);
        Ok(())
    }
}

impl Default for StartOnce {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts `count` threads and ends them, to find out whether the system can provide them.
///
/// # Errors
/// Returns [`ErrorKind::Io`] if it can't.
///
/// ```
/// policy_async_io::start::try_threads(1)?;
/// # Ok::<(), policy_core::Error>(())
/// ```
pub fn try_threads(count: usize) -> Result<(), Error> {
    let mut threads = Vec::new();
    let mut result = Ok(());
    for _ in 0..count {
        // Parked, so that all are there at once.
        match thread::Builder::new().name("policy-try".into()).spawn(thread::park) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                result = Err(policy_blocking::no_thread(error));
                break;
            }
        }
    }
    for thread in threads {
        thread.thread().unpark();
        // On Windows threads are not so few that it matters when it has ended; and a
        // loop that is made while its thread ends would wait for ever, under the
        // loader's lock.
        if cfg!(not(windows)) {
            // It did nothing, so it did not panic.
            let _ended = thread.join();
        }
    }
    result
}

/// A child has its parent's reactor, by one epoll descriptor, and no thread that
/// reads it: each would take the other's events.
fn check_not_forked(generation: u64) -> Result<(), Error> {
    if generation == fork_generation() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forked,
        "async-io's reactor stayed with the parent process; start a program (`exec`), or make the first loop after `fork`",
    ))
}

fn fork_generation() -> u64 {
    #[cfg(unix)]
    return policy_core::local::fork_generation();
    #[cfg(not(unix))]
    0
}
