//! Ctrl-C during a run.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::handler::INTERRUPTS;
use super::hub::{Post, lost_readers};
use super::listener::{open_bell, poll};
use super::table::Hold;
use crate::sync::wakers::WakerId;
use crate::{Error, EventLoop, local};

/// Waits for the first Ctrl-C of a run; the second one ends the process.
///
/// It works only where nothing else handles SIGINT: on the main thread, while the signal has its
/// default action. A later handler wins: while there is a [`Listener`](super::Listener), or a
/// handler that other code installed, this receives nothing.
///
/// When the signal arrives, the handler itself restores the default. So the second Ctrl-C works
/// even while the loop is stuck, or cleans up.
///
/// ```
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// use policy_core::signal::Interrupt;
/// use std::future::poll_fn;
///
/// let Some(mut interrupt) = Interrupt::begin()? else { return Ok(()) };
/// event_loop.run_until_complete(poll_fn(|cx| interrupt.poll(cx, event_loop)))?
/// # }
/// ```
#[derive(Debug)]
pub struct Interrupt {
    // In this order, as in a listener.
    post: Post,
    _hold: Hold,
    begun: u64,
    /// Who was registered, and after how many losses of readers.
    registered: Option<(WakerId, u64)>,
}

impl Interrupt {
    /// Starts to wait. Returns `None` if SIGINT is already handled or ignored, or if this is not
    /// the main thread.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Io`](crate::ErrorKind::Io) if no descriptors are left.
    ///
    /// ```
    /// use policy_core::signal::Interrupt;
    ///
    /// let elsewhere = std::thread::spawn(|| Interrupt::begin().map(|begun| begun.is_some()));
    /// assert!(!elsewhere.join().unwrap()?);
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn begin() -> Result<Option<Self>, Error> {
        if !local::is_main_thread() || !Hold::may_interrupt() {
            return Ok(None);
        }
        open_bell()?;
        let post = Post::new(INTERRUPTS);
        let begun = post.count();
        let hold = Hold::interrupt()?;
        Ok(Some(Self { post, _hold: hold, begun, registered: None }))
    }

    /// Polls for the signal. Costs two loads if nothing has changed since the last poll.
    ///
    /// # Errors
    /// Returns the errors of [`Listener::recv`](super::Listener::recv).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>, cx: &mut std::task::Context<'_>) -> Result<(), policy_core::Error> {
    /// # use policy_core::signal::Interrupt;
    /// if let Some(mut interrupt) = Interrupt::begin()? {
    ///     let came = interrupt.poll(cx, event_loop).is_ready();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        home: &Arc<dyn EventLoop>,
    ) -> Poll<Result<(), Error>> {
        let mine = (WakerId::of(cx.waker()), lost_readers());
        if self.registered == Some(mine) && self.post.count() == self.begun {
            return Poll::Pending;
        }
        self.registered = Some(mine);
        poll(&self.post, cx, Some(home)).map_ok(|_times| ())
    }
}
