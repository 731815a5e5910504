//! What a user may ask of the threads of a loop: a number that comes from a name, an environment
//! variable or a configuration must not be able to end the process.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
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

/// What a user asks of the threads of a loop. `None` leaves the choice to the executor.
#[derive(Clone, Default)]
pub struct ThreadOptions {
    pub name: Option<String>,
    pub stack_size: Option<usize>,
    pub on_start: Option<Hook>,
    pub on_stop: Option<Hook>,
}

pub type Hook = Arc<dyn Fn() + Send + Sync>;

impl ThreadOptions {
    /// Returns true if nothing is asked for.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self { name: None, stack_size: None, on_start: None, on_stop: None })
    }

    /// Checks what can be known before a thread starts.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidInput`] for a name that contains NUL, on which std panics.
    pub fn check(&self) -> Result<(), Error> {
        match &self.name {
            Some(name) if name.contains('\0') => Err(Error::new(
                ErrorKind::InvalidInput,
                "the name of a thread can't contain NUL; leave it out",
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ThreadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadOptions")
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
