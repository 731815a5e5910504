//! What a user asks of the runtimes that a policy builds.

use std::fmt;
use std::sync::Arc;

use policy_core::{Error, ErrorKind, limits};
use tokio::runtime::Builder;

/// `None` leaves the choice to tokio.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) worker_threads: Option<usize>,
    pub(crate) max_blocking_threads: Option<usize>,
    pub(crate) thread_name: Option<String>,
    pub(crate) thread_stack_size: Option<usize>,
    pub(crate) event_interval: Option<u32>,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
}

pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

impl Options {
    /// Returns true if nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                worker_threads: None,
                max_blocking_threads: None,
                thread_name: None,
                thread_stack_size: None,
                event_interval: None,
                on_thread_start: None,
                on_thread_stop: None,
            }
        )
    }

    /// Applies all but [`on_thread_start`](Self::on_thread_start), which a loop has, too.
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
        match &self.thread_name {
            Some(name) if name.contains('\0') => {
                return Err(invalid("the name of a thread can't contain NUL; leave it out"));
            }
            Some(name) => drop(builder.thread_name(name)),
            None => {}
        }
        if let Some(size) = self.thread_stack_size {
            builder.thread_stack_size(size);
        }
        if let Some(hook) = self.on_thread_stop.clone() {
            builder.on_thread_stop(move || hook());
        }
        Ok(())
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_name", &self.thread_name)
            .field("thread_stack_size", &self.thread_stack_size)
            .field("event_interval", &self.event_interval)
            .finish_non_exhaustive()
    }
}
