//! Listening to one signal.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use policy_core::Error;
use policy_core::signal::{Listener, SignalKind};

use crate::ambient;

/// Listens to a signal from now on.
///
/// May be called on any thread, also outside any loop.
///
/// # Errors
/// Returns [`UncatchableSignal`](crate::ErrorKind::UncatchableSignal) for SIGKILL and SIGSTOP, and
/// for SIGSEGV, SIGBUS, SIGILL and SIGFPE, where a handler that returns repeats the fault;
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the number is no signal;
/// [`Io`](crate::ErrorKind::Io) if no descriptors are left.
///
/// ```
/// use policy::signal::{SignalKind, signal};
///
/// policy::run(async {
///     let mut hangup = signal(SignalKind::hangup())?;
///     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
///     hangup.recv().await;
///     println!("reading the configuration again");
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn signal(kind: impl Into<SignalKind>) -> Result<Signal, Error> {
    Ok(Signal { listener: Listener::new(kind.into())? })
}

/// A listener for a signal; see [`signal`].
///
/// It is a stream, too, which never ends. You may poll it on any loop, and on one after the other;
/// one task at a time may wait. Dropping it stops listening.
///
/// ```no_run
/// use policy::signal::{SignalKind, signal};
///
/// # async fn example(mut work: impl AsyncFnMut()) -> Result<(), policy::Error> {
/// let mut terminate = signal(SignalKind::terminate())?;
/// let stop = policy::spawn(async move { terminate.recv().await });
/// while !stop.is_finished() {
///     work().await;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a signal is listened to until this is dropped"]
pub struct Signal {
    listener: Listener,
}

impl Signal {
    /// Waits until the signal has arrived since the last call returned; returns at once if it has.
    /// Cancel safe.
    ///
    /// Returns `None` in a child of `fork`, and if it needs a thread and none can be started, which
    /// is logged: it will receive no signal then.
    ///
    /// ```
    /// use policy::signal::{SignalKind, signal};
    ///
    /// # fn raise() { rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR2).unwrap() }
    /// policy::run(async {
    ///     let mut signals = signal(SignalKind::user_defined2())?;
    ///     raise();
    ///     assert_eq!(signals.recv().await, Some(()));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls once what [`recv`](Self::recv) waits for.
    ///
    /// ```
    /// use policy::signal::{SignalKind, signal};
    /// use std::task::{Context, Waker};
    ///
    /// let mut signals = signal(SignalKind::user_defined2())?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(signals.poll_recv(&mut cx).is_pending());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.try_poll_recv(cx).map(|came| match came {
            Ok(()) => Some(()),
            Err(error) => {
                log::error!("{:?} can't be heard of: {error}", self.kind());
                None
            }
        })
    }

    pub(super) fn try_poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let home = ambient::here();
        self.listener.poll_recv(cx, home.as_ref()).map_ok(|_times| ())
    }

    /// Returns the signal that it listens to.
    ///
    /// ```
    /// use policy::signal::{SignalKind, signal};
    ///
    /// assert_eq!(signal(SignalKind::alarm())?.kind(), SignalKind::alarm());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn kind(&self) -> SignalKind {
        self.listener.kind()
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}
