//! Hearing of one signal.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::bell::LISTENERS;
use super::hub::{Look, Place};
use super::reader::Unblocked;
use super::table::Hold;
use super::{SignalKind, reader};
use crate::{Error, ErrorKind, EventLoop, budget};

/// Hears of a signal of the process, from the moment that it is made.
///
/// Any number of listeners, on any loops and threads, each hear of every signal.
/// Signals that come before one looks are told as one, with their number; and the
/// system itself may deliver several that wait as one. While there is a listener the
/// signal does not do what it does by default.
///
/// ```
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// use policy_core::signal::{Listener, SignalKind};
///
/// let mut listener = Listener::new(SignalKind::hangup())?;
/// let home = event_loop.clone();
/// event_loop.run_until_complete(async move {
///     let times = listener.recv(Some(&home)).await?;
///     println!("hung up, {times} times");
///     Ok::<(), policy_core::Error>(())
/// })?
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    kind: SignalKind,
    // In this order: the place goes first, and with it the readers; then the handler.
    place: Place,
    _unblocked: Option<Unblocked>,
    _hold: Hold,
}

impl Listener {
    /// Listens from now on.
    ///
    /// # Errors
    /// Those of [`Hold::new`]; [`ErrorKind::Io`] if there are no descriptors left, or
    /// no thread can be had where the signal is blocked: it is unblocked in a thread of
    /// ours then.
    ///
    /// ```
    /// use policy_core::signal::{Listener, SignalKind};
    ///
    /// let listener = Listener::new(SignalKind::user_defined2())?;
    /// assert_eq!(listener.kind(), SignalKind::user_defined2());
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn new(kind: SignalKind) -> Result<Self, Error> {
        open_bell()?;
        let at = usize::try_from(kind.as_raw()).unwrap_or(usize::MAX);
        let place = Place::new(at);
        let hold = Hold::listener(kind)?;
        let unblocked = Unblocked::if_blocked(kind.as_raw())?;
        Ok(Self { kind, place, _unblocked: unblocked, _hold: hold })
    }

    /// Returns what it listens to.
    ///
    /// ```
    /// use policy_core::signal::{Listener, SignalKind};
    ///
    /// let listener = Listener::new(SignalKind::user_defined2())?;
    /// assert_eq!(listener.kind().as_raw(), i32::from(SignalKind::user_defined2()));
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// Waits until the signal has come, and returns how often it did since it was told
    /// last; once at least. Cancel safe.
    ///
    /// `home` is the loop that runs this: it reads for all who listen on it. Without
    /// one a thread does.
    ///
    /// # Errors
    /// [`ErrorKind::Forked`] in a child of `fork`: make another there.
    /// [`ErrorKind::Io`] if a thread is needed and can't be had.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), policy_core::Error> {
    /// use policy_core::signal::{Listener, SignalKind};
    ///
    /// let mut listener = Listener::new(SignalKind::user_defined2())?;
    /// let times = listener.recv(None).await?; // on whatever executor
    /// assert!(times >= 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self, home: Option<&Arc<dyn EventLoop>>) -> Result<u64, Error> {
        poll_fn(|cx| self.poll_recv(cx, home)).await
    }

    /// As [`recv`](Self::recv), one poll of it.
    ///
    /// ```
    /// use policy_core::signal::{Listener, SignalKind};
    /// use std::task::{Context, Waker};
    ///
    /// let mut listener = Listener::new(SignalKind::user_defined2())?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(listener.poll_recv(&mut cx, None).is_pending());
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        home: Option<&Arc<dyn EventLoop>>,
    ) -> Poll<Result<u64, Error>> {
        budget::poll(cx, |cx| poll(&self.place, cx, home))
    }
}

/// Looks, and sees to it that somebody reads where there was nothing.
pub(super) fn poll(
    place: &Place,
    cx: &mut Context<'_>,
    home: Option<&Arc<dyn EventLoop>>,
) -> Poll<Result<u64, Error>> {
    match place.look(cx.waker()) {
        Look::Came(times) => Poll::Ready(Ok(times)),
        Look::Forked => Poll::Ready(Err(Error::new(
            ErrorKind::Forked,
            "the listener belongs to the parent process; make another after `fork`",
        ))),
        Look::Waits => match reader::ensure(home) {
            // A reader looks when it begins, so nothing was missed in between.
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        },
    }
}

/// # Errors
/// [`ErrorKind::Io`].
pub(super) fn open_bell() -> Result<(), Error> {
    LISTENERS.open().map_err(|error| {
        Error::io("can't listen to signals; close descriptors, or raise their limit", error)
    })
}
