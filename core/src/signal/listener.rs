//! Listening to one signal.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::bell::LISTENERS;
use super::hub::{Look, Post};
use super::reader::Unblocked;
use super::table::Hold;
use super::{SignalKind, reader};
use crate::{Error, ErrorKind, EventLoop, budget};

/// Receives a signal of the process, from its creation on.
///
/// Any number of listeners, on any loops and threads, each receive every signal. Signals that
/// arrive before a listener is polled are reported together, with their number; the system itself
/// may also merge several pending signals into one. While there is a listener, the signal's default
/// action does not happen.
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
    // In this order: the post goes first, and with it the readers; then the handler.
    post: Post,
    _unblocked: Option<Unblocked>,
    _hold: Hold,
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// Returns the errors of [`Hold::new`], and [`ErrorKind::Io`] if no descriptors are left, or if
    /// the signal is blocked and the thread in which we unblock it can't be started.
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
        let post = Post::new(at);
        let hold = Hold::listener(kind)?;
        let unblocked = Unblocked::if_blocked(kind.as_raw())?;
        Ok(Self { kind, post, _unblocked: unblocked, _hold: hold })
    }

    /// Returns the signal that it listens to.
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

    /// Waits until the signal arrives, and returns how often it arrived since the last call; at
    /// least 1. Cancel safe.
    ///
    /// `home` is the loop that runs this future: it reads for all listeners on it. Without one a
    /// thread reads.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Forked`] in a child of `fork`: make another listener there. Returns
    /// [`ErrorKind::Io`] if it needs a thread and none can be started.
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

    /// Polls once what [`recv`](Self::recv) waits for.
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
        budget::poll(cx, |cx| poll(&self.post, cx, home))
    }
}

/// Looks, and sees to it that somebody reads where there was nothing.
pub(super) fn poll(
    post: &Post,
    cx: &mut Context<'_>,
    home: Option<&Arc<dyn EventLoop>>,
) -> Poll<Result<u64, Error>> {
    match post.look(cx.waker()) {
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
