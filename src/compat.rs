//! Code that names an executor, on a loop of another.
//!
//! | I have … | I want … | use |
//! |---|---|---|
//! | a future that needs tokio's reactor or timers (reqwest, a driver of a database) | to run it on any loop | [`with_tokio`] |
//! | a type with tokio's `AsyncRead` and `AsyncWrite` | futures-io's, or the other way round | [`Compat`], by [`CompatExt::compat`] |
//! | a future that stands on async-io (smol's crates) | to run it on any loop | nothing: its reactor is a thread of the process |
//!
//! A bridge, from the crate `async-compat`, and no more: what runs behind it is tokio,
//! beside the loop. On a tokio loop, or inside any tokio runtime, that runtime is used;
//! elsewhere a runtime of one thread, which the process starts when it is needed first,
//! and keeps.

pub use async_compat::{Compat, CompatExt};

/// Gives a future what it needs of tokio, on any loop.
///
/// The future is polled by the loop that polls this one, and the ambient functions of
/// this crate mean that loop; tokio's own (`tokio::spawn`, `tokio::time::sleep`) mean
/// the runtime behind.
///
/// # Panics
/// When polled, if there is no tokio runtime and none can be started (no thread, no
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
