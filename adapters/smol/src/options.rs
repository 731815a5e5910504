//! What a user asks of the threads of a loop.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use policy_core::{Error, ErrorKind};

#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) thread_name: Option<String>,
    pub(crate) thread_stack_size: Option<usize>,
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
                thread_name: None,
                thread_stack_size: None,
                on_thread_start: None,
                on_thread_stop: None,
            }
        )
    }

    /// Checks what can be known before a thread starts.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.thread_name {
            // std panics on it.
            Some(name) if name.contains('\0') => Err(Error::new(
                ErrorKind::InvalidInput,
                "the name of a thread can't contain NUL; leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// The worker `index`, to be started.
    pub(crate) fn thread(&self, index: usize) -> thread::Builder {
        let name = match &self.thread_name {
            Some(name) => name.clone(),
            None => format!("policy-smol-{index}"),
        };
        let thread = thread::Builder::new().name(name);
        match self.thread_stack_size {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        }
    }

    /// Calls the hook of the start; that of the stop is called when the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        call(self.on_thread_start.as_ref());
        Entered(self.on_thread_stop.clone())
    }
}

pub(crate) struct Entered(Option<Hook>);

impl Drop for Entered {
    fn drop(&mut self) {
        call(self.0.as_ref());
    }
}

/// A hook that panics costs no thread: its tasks would wait for ever.
fn call(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook())) {
            // By no panic's message: what is thrown may be anything.
            std::mem::forget(payload);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("thread_name", &self.thread_name)
            .field("thread_stack_size", &self.thread_stack_size)
            .finish_non_exhaustive()
    }
}
