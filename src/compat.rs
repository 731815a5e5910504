//! Running code that names an executor on a loop of another one.
//!
//! | I have … | I want … | use |
//! |---|---|---|
//! | a future that needs tokio's reactor or timers (reqwest, a database driver) | to run it on any loop | [`with_tokio`] |
//! | a type with tokio's `AsyncRead` and `AsyncWrite` | futures-io's, or the other way round | [`Compat`], by [`CompatExt::compat`] |
//! | a future that uses async-io (smol's crates) | to run it on any loop | nothing: its reactor is a thread of the process |
//!
//! It is a bridge from the crate `async-compat`, and no more: tokio runs behind it, beside the
//! loop. On a tokio loop, or inside any tokio runtime, it uses that runtime; elsewhere a runtime
//! with one thread, which the process starts on its first use, and keeps.

pub use async_compat::{Compat, CompatExt};

/// Runs a future that needs tokio, on any loop.
///
/// The loop that polls this future also polls the inner one, and the ambient functions of this
/// crate use that loop; tokio's own (`tokio::spawn`, `tokio::time::sleep`) use the runtime behind
/// it.
///
/// # Panics
/// Panics when polled, if there is no tokio runtime and none can be started (no thread, no
/// descriptors).
///
/// ```
/// use std::time::Duration;
///
/// policy::run(async { // whatever loop that is
///     // An `async` block: tokio's own functions look for their runtime when called.
///     let nap = async { tokio::time::sleep(Duration::from_millis(1)).await };
///     policy::compat::with_tokio(nap).await;
/// });
/// ```
pub fn with_tokio<F: Future>(future: F) -> Compat<F> {
    Compat::new(future)
}
