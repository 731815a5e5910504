//! Where there is no reactor for the background yet: threads wait for children.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use policy_core::{Error, ErrorKind, Source};

pub(in crate::process) fn register(_: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
    Err(ErrorKind::NoRunningLoop.into())
}

pub(in crate::process) fn spawn(_: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    Err(ErrorKind::NoRunningLoop.into())
}

/// Wakes a task when some time has passed, or at once if there can be no thread.
pub(in crate::process) fn wake_after(delay: Duration, waker: Waker) {
    let on_thread = waker.clone();
    let begun = std::thread::Builder::new().name("policy-delay".into()).spawn(move || {
        std::thread::sleep(delay);
        on_thread.wake();
    });
    if begun.is_err() {
        waker.wake();
    }
}
