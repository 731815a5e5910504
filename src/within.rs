//! Running a future under another executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use policy_core::{EventLoop, budget, context};

/// Runs `future` wherever you await it, with `event_loop` as the running loop.
///
/// Any executor may poll it: the future's tasks, timers and children belong to `event_loop`. Some
/// thread must drive that loop: a multi-threaded one drives itself.
///
/// Cancel safe if `future` is. May be polled on any thread.
///
/// ```
/// let event_loop = policy::new_event_loop()?;
/// let inside = policy::within(event_loop.clone(), async {
///     policy::get_running_loop().map(|found| found.name().to_string())
/// });
/// assert_eq!(futures_lite::future::block_on(inside)?, event_loop.name());
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn within<F: Future>(event_loop: Arc<dyn EventLoop>, future: F) -> Within<F> {
    Within { event_loop, future }
}

pin_project! {
    /// The future of [`within`].
    ///
    /// ```
    /// let event_loop = policy::new_event_loop()?;
    /// assert_eq!(event_loop.run_until_complete(async { 1 })?, 1);
    /// let inside = policy::within(event_loop.clone(), async { policy::get_running_loop().is_ok() });
    /// assert!(futures_lite::future::block_on(inside));
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Within<F> {
        event_loop: Arc<dyn EventLoop>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        budget::shared(|| context::visiting_scope(this.event_loop, || this.future.poll(cx)))
    }
}
