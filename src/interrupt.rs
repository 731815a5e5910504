//! What Ctrl-C does to a run.

use std::future::Future;
use std::panic::Location;
#[cfg(unix)]
use std::pin::Pin;
use std::sync::Arc;
#[cfg(unix)]
use std::task::{Context, Poll};

#[cfg(unix)]
use pin_project_lite::pin_project;
use policy_core::{Error, EventLoop};
#[cfg(unix)]
use policy_core::{ErrorKind, signal::Interrupt};

/// Runs `future` on `event_loop`; where `handle_sigint`, and nobody has said what SIGINT
/// means, until the first Ctrl-C at most: then the future is dropped.
pub(crate) fn run<F: Future>(
    event_loop: &Arc<dyn EventLoop>,
    handle_sigint: bool,
    location: &'static Location<'static>,
    future: F,
) -> Result<F::Output, Error> {
    #[cfg(unix)]
    if handle_sigint {
        match Interrupt::begin() {
            Ok(Some(interrupt)) => {
                return event_loop.run_located(
                    Interruptible { interrupt: Some(interrupt), event_loop, future: Some(future) },
                    location,
                )?;
            }
            Ok(None) => {}
            // It ends the process, as it does by default.
            Err(error) => log::warn!("this run does not handle Ctrl-C: {error}"),
        }
    }
    let _ = handle_sigint;
    event_loop.run_located(future, location)
}

/// Ends the process as SIGINT does.
pub(crate) fn die() -> ! {
    #[cfg(unix)]
    policy_core::signal::die_of_interrupt();
    #[cfg(not(unix))]
    // STATUS_CONTROL_C_EXIT
    std::process::exit(0xC000_013A_u32 as i32)
}

#[cfg(unix)]
pin_project! {
    struct Interruptible<'a, F> {
        interrupt: Option<Interrupt>,
        event_loop: &'a Arc<dyn EventLoop>,
        // `None` once it was dropped.
        #[pin]
        future: Option<F>,
    }
}

#[cfg(unix)]
impl<F: Future> Future for Interruptible<'_, F> {
    type Output = Result<F::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = this.interrupt.as_mut().map(|interrupt| interrupt.poll(cx, this.event_loop));
        match polled {
            Some(Poll::Ready(Ok(()))) => {
                // Before destructors run, which may take long: from here on SIGINT is
                // what they make of it.
                *this.interrupt = None;
                this.future.set(None);
                return Poll::Ready(Err(ErrorKind::Interrupted.into()));
            }
            Some(Poll::Ready(Err(error))) => {
                log::warn!("this run does not handle Ctrl-C any more: {error}");
                *this.interrupt = None;
            }
            Some(Poll::Pending) | None => {}
        }
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx).map(Ok),
            // Polled after its end.
            None => Poll::Pending,
        }
    }
}
