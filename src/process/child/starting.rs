//! A child that is being started.

use std::future::Future;
use std::pin::Pin;

use policy_core::Error;

use super::Child;

/// A child that is being started: a future of the [`Child`].
///
/// Nothing happens before the first poll. Another thread starts the child, so that the loop keeps
/// running. If you drop the future before it is ready, no child remains: one that was started is
/// killed and reaped.
///
/// ```
/// use policy::process::Command;
///
/// policy::run(async {
///     let child = Command::new("true").start().await?;
///     assert!(child.wait().await?.success());
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct Starting {
    future: Pin<Box<dyn Future<Output = Result<Child, Error>> + Send>>,
}

impl Starting {
    pub(in crate::process) fn new(
        future: impl Future<Output = Result<Child, Error>> + Send + 'static,
    ) -> Self {
        Self { future: Box::pin(future) }
    }
}

impl Future for Starting {
    type Output = Result<Child, Error>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}
