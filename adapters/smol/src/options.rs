//! What a user asks of the threads of a loop, at work.

use std::thread;

use policy_core::limits::{Hook, ThreadOptions};
use policy_core::sync::quietly;

/// Makes the worker `index`, to be started.
pub(crate) fn thread(options: &ThreadOptions, index: usize) -> thread::Builder {
    let name = options.name.clone().unwrap_or_else(|| format!("policy-smol-{index}"));
    let thread = thread::Builder::new().name(name);
    match options.stack_size {
        Some(bytes) => thread.stack_size(bytes),
        None => thread,
    }
}

/// Calls the hook of the start; that of the stop is called when the guard is dropped.
pub(crate) fn enter(options: &ThreadOptions) -> Entered {
    call(options.on_start.as_ref());
    Entered(options.on_stop.clone())
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
        quietly(|| hook());
    }
}
