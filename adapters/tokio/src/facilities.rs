//! What a runtime may have been built without: timers, and the reactor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use policy_core::{Error, ErrorKind};
use tokio::runtime::Handle;

/// A part of a runtime that may be missing. tokio has no way to ask, and panics: so
/// the first use finds out, once per loop.
#[derive(Debug)]
pub(crate) struct Facility {
    missing: AtomicBool,
    remedy: &'static str,
}

impl Facility {
    pub(crate) fn time() -> Self {
        Self::new(
            "the tokio runtime behind this event loop has no timers; build it with `enable_time` or `enable_all`",
        )
    }

    pub(crate) fn io() -> Self {
        Self::new(
            "the tokio runtime behind this event loop has no reactor; build it with `enable_io` or `enable_all`",
        )
    }

    fn new(remedy: &'static str) -> Self {
        Self { missing: AtomicBool::new(false), remedy }
    }

    /// Calls `make` inside the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], if this part is missing.
    pub(crate) fn make<T>(&self, handle: &Handle, make: impl FnOnce() -> T) -> Result<T, Error> {
        if self.missing.load(Relaxed) {
            return Err(Error::new(ErrorKind::Unsupported, self.remedy));
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            let _entered = handle.enter();
            make()
        }));
        made.map_err(|_| {
            if is_thread_ending() {
                return thread_ending();
            }
            self.missing.store(true, Relaxed);
            Error::new(ErrorKind::Unsupported, self.remedy)
        })
    }
}

/// Returns true on a thread whose end has come too far for tokio to be entered.
pub(crate) fn is_thread_ending() -> bool {
    matches!(Handle::try_current(), Err(error) if error.is_thread_local_destroyed())
}

pub(crate) fn thread_ending() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this thread is ending, and tokio can't be used in it any more; do it before",
    )
}
