//! Ctrl-C.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use policy_core::Error;

#[cfg(unix)]
use super::unix::{Signal as Event, signal};
#[cfg(windows)]
use super::windows::ConsoleEvent as Event;

/// Waits for Ctrl-C: SIGINT, or the console's event on Windows.
///
/// It listens from the call on, not from the first poll. While it waits, Ctrl-C has no other
/// effect: it neither ends the process nor drops the future of [`run`](crate::run). Once it has
/// resolved, or is dropped, Ctrl-C has its usual effect again, so a second Ctrl-C ends a program
/// that the first did not. So in a loop of `select`s make it once, outside, and not in each round:
/// between two rounds nothing would listen. To receive every Ctrl-C, use the
/// [`signal`](crate::signal::SignalKind::interrupt).
///
/// The first poll returns an error of kind [`Io`](crate::ErrorKind::Io) if it can't listen to
/// Ctrl-C.
///
/// ```no_run
/// #[policy::main]
/// async fn main() -> Result<(), policy::Error> {
///     println!("press Ctrl-C");
///     policy::signal::ctrl_c().await?;
///     println!("and good-bye");
///     Ok(())
/// }
/// ```
pub fn ctrl_c() -> CtrlC {
    #[cfg(unix)]
    let event = signal(super::SignalKind::interrupt());
    #[cfg(windows)]
    let event = Event::ctrl_c();
    CtrlC { event: Some(event) }
}

/// The future of [`ctrl_c`].
///
/// ```
/// use policy::signal::{CtrlC, ctrl_c};
/// use policy::time::{Duration, timeout};
///
/// policy::run(async {
///     let waits: CtrlC = ctrl_c();
///     assert!(timeout(Duration::from_millis(1), waits).await.is_err()); // nobody pressed it
/// });
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct CtrlC {
    /// `None` once it has come, or failed: kept, it would swallow the next Ctrl-C.
    event: Option<Result<Event, Error>>,
}

impl Future for CtrlC {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let came = match &mut self.event {
            Some(Ok(event)) => event.try_poll_recv(cx),
            Some(Err(_)) => Poll::Ready(Ok(())),
            // It has said so.
            None => return Poll::Pending,
        };
        let Poll::Ready(came) = came else { return Poll::Pending };
        let event = self.event.take();
        Poll::Ready(event.map_or(Ok(()), |event| event.map(drop)).and(came))
    }
}

impl fmt::Debug for CtrlC {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CtrlC").finish_non_exhaustive()
    }
}
