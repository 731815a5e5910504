//! Which loop an ambient call means.
//!
//! In this order: the loop that this code runs in; a foreign runtime found on this
//! thread (a plain `#[tokio::main]`), adopted as a loop; a policy whose loops run
//! by themselves; else the typed error.

#[cfg(feature = "process")]
mod driven;

use std::sync::Arc;

use policy_core::{Error, ErrorKind, EventLoop, context};

#[cfg(feature = "process")]
pub(crate) use driven::{driven, outside};

/// Calls `f` with the loop that ambient calls mean here.
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`].
pub(crate) fn with<R>(f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> Result<R, Error> {
    let mut f = Some(f);
    let found = context::with_ambient(|event_loop| f.take().map(|f| f(event_loop)));
    match (found.flatten(), f) {
        (Some(result), _) => Ok(result),
        (None, Some(f)) => elsewhere().map(|event_loop| f(&event_loop)),
        (None, None) => Err(ErrorKind::NoRunningLoop.into()),
    }
}

/// Returns the loop that ambient calls mean here.
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`].
pub(crate) fn event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    with(Arc::clone)
}

/// Returns the loop that this code is inside of, if any: never one that would be
/// made for the purpose.
pub(crate) fn here() -> Option<Arc<dyn EventLoop>> {
    with_here(Arc::clone)
}

/// Calls `f` with the loop that this code is inside of, as [`here`] finds it.
pub(crate) fn with_here<R>(f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> Option<R> {
    let mut f = Some(f);
    let found = context::with_ambient(|event_loop| f.take().map(|f| f(event_loop)));
    match (found, f) {
        (Some(result), _) => result,
        (None, Some(f)) => adopted().map(|event_loop| f(&event_loop)),
        (None, None) => None,
    }
}

/// Returns the loop that runs on this thread, a foreign runtime included.
pub(crate) fn running() -> Option<Arc<dyn EventLoop>> {
    match context::running() {
        Some(event_loop) => Some(event_loop),
        // A blocking job: no loop runs there, whatever its executor leaves on the
        // thread (tokio's pool threads count as inside the runtime).
        None if context::with_ambient(|_| ()).is_some() => None,
        None => adopted(),
    }
}

fn elsewhere() -> Result<Arc<dyn EventLoop>, Error> {
    if let Some(event_loop) = adopted() {
        return Ok(event_loop);
    }
    crate::get_event_loop_policy().background_loop()?.ok_or_else(|| ErrorKind::NoRunningLoop.into())
}

/// Returns the foreign runtime of this thread, as a loop.
// Not inlined: it would make the way of those longer whose loop runs here.
#[inline(never)]
fn adopted() -> Option<Arc<dyn EventLoop>> {
    know_foreign_runtimes();
    #[cfg(feature = "tokio")]
    if let Some(event_loop) = policy_tokio::adopt() {
        return Some(event_loop);
    }
    None
}

/// Tells the core what this crate knows of foreign runtimes: that no loop may be run
/// inside of one, and which loop stands for it. Called wherever a program may begin;
/// costs one load after the first time.
#[inline]
pub(crate) fn know_foreign_runtimes() {
    #[cfg(feature = "tokio")]
    policy_core::foreign::install(policy_core::foreign::Foreign {
        is_polling: policy_tokio::is_polling,
        running: policy_tokio::adopt,
        defer: policy_tokio::defer,
    });
}

/// Returns true if a loop runs this code, so that nothing may block here: a foreign
/// runtime included, yet not on threads that it has for blocking.
pub(crate) fn is_polling() -> bool {
    #[cfg(feature = "tokio")]
    if policy_tokio::is_polling() {
        return true;
    }
    context::is_polling()
}

/// Ends a convenience that has a `try_` twin: the message names the fix.
#[track_caller]
#[allow(clippy::panic, reason = "each caller documents the panic and has a `try_` twin")]
pub(crate) fn fail(error: &Error) -> ! {
    panic!("{error}")
}
