//! Ctrl-C during a run.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::handler::INTERRUPTS;
use super::hub::{Place, lost_readers};
use super::listener::{open_bell, poll};
use super::table::Hold;
use crate::{Error, EventLoop, local};

/// Waits for the first Ctrl-C of a run; the second ends the process.
///
/// It is there only where nobody has said what SIGINT means: on the main thread, while
/// the signal has its default action. Whoever comes later wins: as long as there is a
/// [`Listener`](super::Listener), or a handler that others put in place, this hears
/// nothing.
///
/// When the signal comes the handler itself puts the default back. So the second one
/// works also while the loop is stuck, or cleans up.
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
    place: Place,
    _hold: Hold,
    begun: u64,
    /// Who was registered, and after how many losses of readers.
    registered: Option<(Registered, u64)>,
}

/// A waker, by address; see `Main` of the event loop, which has the same reason.
type Registered = (usize, usize);

impl Interrupt {
    /// Begins to wait; `None` where SIGINT means something already, or another thread
    /// than the main one asks.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if there are no descriptors left.
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
        let place = Place::new(INTERRUPTS);
        let begun = place.count();
        let hold = Hold::interrupt()?;
        Ok(Some(Self { place, _hold: hold, begun, registered: None }))
    }

    /// Waits for it. Costs two loads where nothing has changed since the last poll.
    ///
    /// # Errors
    /// As [`Listener::recv`](super::Listener::recv).
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
        let mine = (address(cx.waker()), lost_readers());
        if self.registered == Some(mine) && self.place.count() == self.begun {
            return Poll::Pending;
        }
        self.registered = Some(mine);
        poll(&self.place, cx, Some(home)).map_ok(|_times| ())
    }
}

fn address(waker: &Waker) -> Registered {
    (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
}
