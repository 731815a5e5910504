//! Running code that names an executor on a loop of another one.
//!
//! | I have … | I want … | use |
//! |---|---|---|
//! | a future that needs tokio's reactor or timers (reqwest, a database driver) | to run it on any loop | [`with_tokio`] |
//! | a type with tokio's `AsyncRead` and `AsyncWrite` | futures-io's, or the other way round | [`Compat`], by [`CompatExt::compat`] |
//! | a future that uses async-io (smol's crates) | to run it on any loop | nothing: its reactor is a thread of the process |
//!
//! It is a bridge by the crate `async-compat`: tokio runs behind it, beside the loop. On a tokio
//! loop, or inside any tokio runtime, it uses that runtime; elsewhere a runtime with one thread,
//! which the process starts on its first use, and keeps.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use policy_core::surroundings;

pub use async_compat::{Compat, CompatExt};

/// Runs a future that needs tokio, on any loop.
///
/// The loop that polls this future also polls the inner one, and the ambient functions of this
/// crate use that loop; tokio's own (`tokio::spawn`, `tokio::time::sleep`) use the runtime behind
/// it. Tasks, blocking jobs and callbacks that the future gives to a loop are inside, too, and what
/// those give to a loop.
///
/// Cancel safe if `future` is.
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
///     policy::compat::with_tokio(async {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         let task = policy::spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
///         task.await.expect("it is inside");
///     })
///     .await;
/// });
/// ```
pub fn with_tokio<F: Future>(future: F) -> WithTokio<F> {
    WithTokio { future: Some(future) }
}

pin_project! {
    /// The future of [`with_tokio`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct WithTokio<F> {
        // `None` while it is being dropped.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for WithTokio<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut future = this.project().future;
            // tokio's types look for their runtime when they are dropped, too.
            if future.is_some() {
                surroundings::scope(inside_tokio, || future.set(None));
            }
        }
    }
}

impl<F: Future> Future for WithTokio<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().future.as_pin_mut() {
            Some(future) => surroundings::scope(inside_tokio, || future.poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for WithTokio<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithTokio").finish_non_exhaustive()
    }
}

/// Calls `f` in the context of the runtime that `async-compat` finds or starts. It hands that to
/// what it polls, so `f` is called by a poll.
fn inside_tokio(f: &mut dyn FnMut()) {
    let called = poll_fn(|_| {
        f();
        Poll::Ready(())
    });
    let _ready = pin!(Compat::new(called)).poll(&mut Context::from_waker(Waker::noop()));
}
