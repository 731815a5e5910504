//! Blocking in place.

use policy_core::{Error, context};
use std::sync::Arc;

use crate::ambient;

/// Calls `f`, which may block, on this thread, and lets the loop's other tasks continue on other
/// threads meanwhile.
///
/// For a call that you can't move to another thread; for all others use
/// [`spawn_blocking`](crate::spawn_blocking), which works on every loop. Futures that are polled in
/// the same task (a `select!`, a `join!`) still wait for `f`. Inside `f` ambient calls use the same
/// loop, and you may run a loop. On a thread that polls for no loop it only calls `f`.
///
/// # Errors
/// Returns [`Unsupported`](crate::ErrorKind::Unsupported), without calling `f`, if the executor
/// can't do it: only tokio's multi-threaded runtime can.
///
/// # Panics
/// Panics if `f` does.
///
/// ```
/// use policy::ErrorKind;
/// use policy::task::block_in_place;
///
/// policy::run(async {
///     let text = match block_in_place(|| std::fs::read_to_string("Cargo.toml")) {
///         Ok(text) => text?,
///         Err(error) => {
///             assert_eq!(error.kind(), ErrorKind::Unsupported);
///             policy::fs::read_to_string("Cargo.toml").await?
///         }
///     };
///     assert!(text.contains("policy"));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> Result<R, Error> {
    if !ambient::is_polling() {
        return Ok(f());
    }
    let event_loop = ambient::event_loop()?;
    let (mut f, mut result) = (Some(f), None);
    let here = Arc::downgrade(&event_loop);
    event_loop.block_in_place(&mut || {
        if let Some(f) = f.take() {
            result = Some(context::blocking_scope(here.clone(), f));
        }
    })?;
    // An adapter of somebody else's may have called nothing.
    result.ok_or_else(|| policy_core::ErrorKind::Unsupported.into())
}
