//! What goes on where no loop runs.

use std::task::Waker;
use std::thread;
use std::time::Duration;

/// Wakes a waker after a while, by a thread: only code without a loop comes here.
pub(in crate::process) fn wake_after(delay: Duration, waker: Waker) {
    let late = waker.clone();
    let started = thread::Builder::new().name("policy-delay".into()).spawn(move || {
        thread::sleep(delay);
        late.wake();
    });
    if started.is_err() {
        // Asked again at once, rather than never.
        waker.wake();
    }
}
