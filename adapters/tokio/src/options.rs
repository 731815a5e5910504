//! What a user asks of the runtimes that a policy builds.

use policy_core::limits::{self, ThreadOptions};
use policy_core::{Error, ErrorKind};
use tokio::runtime::Builder;

/// `None` leaves the choice to tokio.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) worker_threads: Option<usize>,
    pub(crate) max_blocking_threads: Option<usize>,
    pub(crate) event_interval: Option<u32>,
    pub(crate) threads: ThreadOptions,
}

impl Options {
    /// Returns true if nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.threads.is_empty()
            && self.worker_threads.is_none()
            && self.max_blocking_threads.is_none()
            && self.event_interval.is_none()
    }

    /// Applies all but the hook of a thread's start, which a loop has, too.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidInput`] for what tokio panics on, now or in a thread.
    pub(crate) fn apply(&self, builder: &mut Builder) -> Result<(), Error> {
        if let Some(count) = self.worker_threads {
            builder.worker_threads(limits::worker_threads(count)?.get());
        }
        match self.max_blocking_threads {
            Some(0) => return Err(invalid("0 threads can't run a blocking job; allow at least 1")),
            Some(most) => drop(builder.max_blocking_threads(most)),
            None => {}
        }
        match self.event_interval {
            Some(0) => {
                return Err(invalid(
                    "an event interval of 0 never looks at the reactor; ask for at least 1",
                ));
            }
            Some(polls) => drop(builder.event_interval(polls)),
            None => {}
        }
        self.threads.check()?;
        if let Some(name) = &self.threads.name {
            builder.thread_name(name);
        }
        if let Some(size) = self.threads.stack_size {
            builder.thread_stack_size(size);
        }
        if let Some(hook) = self.threads.on_stop.clone() {
            builder.on_thread_stop(move || hook());
        }
        Ok(())
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
