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
/// It counts from the call, not from the first poll. While it waits, Ctrl-C does nothing
/// else: it neither ends the process, nor the future of [`run`](crate::run). When it has
/// come, or is dropped, it gives that back, so that a second Ctrl-C ends what the first did
/// not; so in a loop of `select`s make it once, outside, and not in each round, between two
/// of which nobody listens. To hear of each, listen to the
/// [`signal`](crate::signal::SignalKind::interrupt).
///
/// The future gives an error, at its first poll, if Ctrl-C can't be listened to: kind
/// [`Io`](crate::ErrorKind::Io).
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
