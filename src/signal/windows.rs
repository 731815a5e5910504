//! The events of a console, which arrive on threads of the system.
#![allow(unsafe_code, reason = "one call that hands a function to the system")]

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use policy_core::sync::{Mutex, wake};
use policy_core::{Error, budget};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

static CONSOLE: Mutex<Console> = Mutex::new(Console { last_id: 0, listeners: BTreeMap::new() });

/// Listens to Ctrl-Break from now on.
///
/// # Errors
/// Returns [`Io`](crate::ErrorKind::Io) if the system refuses.
///
/// ```
/// let mut breaks = policy::signal::ctrl_break()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn ctrl_break() -> Result<ConsoleEvent, Error> {
    ConsoleEvent::new(CTRL_BREAK_EVENT)
}

/// Listens to the closing of the console. The system ends the process a few seconds
/// later, whatever it does.
///
/// # Errors
/// Returns the errors of [`ctrl_break`].
///
/// ```
/// let mut closes = policy::signal::ctrl_close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn ctrl_close() -> Result<ConsoleEvent, Error> {
    ConsoleEvent::new(CTRL_CLOSE_EVENT)
}

/// Listens to users logging off; only services receive this. As with [`ctrl_close`], the process
/// ends soon after.
///
/// # Errors
/// Returns the errors of [`ctrl_break`].
///
/// ```
/// let mut logoffs = policy::signal::ctrl_logoff()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn ctrl_logoff() -> Result<ConsoleEvent, Error> {
    ConsoleEvent::new(CTRL_LOGOFF_EVENT)
}

/// Listens to the system shutting down; only services receive this. As with [`ctrl_close`], the
/// process ends soon after.
///
/// # Errors
/// Returns the errors of [`ctrl_break`].
///
/// ```
/// let mut shutdowns = policy::signal::ctrl_shutdown()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn ctrl_shutdown() -> Result<ConsoleEvent, Error> {
    ConsoleEvent::new(CTRL_SHUTDOWN_EVENT)
}

/// A listener for an event of the console. It is a stream, too, which never ends.
///
/// Events that arrive before it is polled are merged into one. While there is a listener, the
/// event's default action does not happen; dropping it stops listening.
///
/// ```no_run
/// # async fn example() -> Result<(), policy::Error> {
/// let mut breaks = policy::signal::ctrl_break()?;
/// breaks.recv().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an event is listened to until this is dropped"]
pub struct ConsoleEvent {
    event: u32,
    id: u64,
}

struct Console {
    last_id: u64,
    /// By event and number.
    listeners: BTreeMap<(u32, u64), Listening>,
}

#[derive(Default)]
struct Listening {
    came: bool,
    waker: Option<Waker>,
}

impl ConsoleEvent {
    pub(super) fn ctrl_c() -> Result<Self, Error> {
        Self::new(CTRL_C_EVENT)
    }

    fn new(event: u32) -> Result<Self, Error> {
        // Listening first: the handler passes on what nobody listens to.
        let listener = {
            let mut console = CONSOLE.lock();
            console.last_id += 1;
            let id = console.last_id;
            console.listeners.insert((event, id), Listening::default());
            Self { event, id }
        };
        install().map_err(|error| {
            Error::io("can't listen to the console; check that the process has one", error)
        })?;
        Ok(listener)
    }

    /// Waits until the event has arrived since the last call returned; returns at once if it has.
    /// Never returns `None`. Cancel safe.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), policy::Error> {
    /// policy::signal::ctrl_close()?.recv().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls once what [`recv`](Self::recv) waits for.
    ///
    /// ```
    /// use std::task::{Context, Waker};
    ///
    /// let mut breaks = policy::signal::ctrl_break()?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(breaks.poll_recv(&mut cx).is_pending());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        budget::poll(cx, |cx| self.poll_came(cx))
    }

    fn poll_came(&self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        // Before the lock: to clone a waker may run code of an executor.
        let waker = cx.waker().clone();
        let mut console = CONSOLE.lock();
        let Some(listening) = console.listeners.get_mut(&(self.event, self.id)) else {
            return Poll::Pending;
        };
        if std::mem::take(&mut listening.came) {
            return Poll::Ready(Some(()));
        }
        let former = listening.waker.replace(waker);
        // So may one that is dropped: outside the lock.
        drop(console);
        drop(former);
        Poll::Pending
    }

    pub(super) fn try_poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_recv(cx).map(|_came| Ok(()))
    }
}

impl Stream for ConsoleEvent {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}

impl Drop for ConsoleEvent {
    fn drop(&mut self) {
        let gone = CONSOLE.lock().listeners.remove(&(self.event, self.id));
        drop(gone);
    }
}

/// Hands our function to the system, once. It stays: where nobody listens it passes the
/// event on, which is as if it were not there.
fn install() -> io::Result<()> {
    // Not the lock of the listeners: the system may hold one of its own while it calls
    // the function, which takes that.
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock();
    if !*installed {
        // SAFETY: a function of the right type, which lives as long as the process.
        if unsafe { SetConsoleCtrlHandler(Some(handle), 1) } == 0 {
            return Err(io::Error::last_os_error());
        }
        *installed = true;
    }
    Ok(())
}

/// Called on a thread that the system starts for the event, so that locks are fine.
unsafe extern "system" fn handle(event: u32) -> BOOL {
    let (mut is_heard, mut wakers) = (false, Vec::new());
    for (_, listening) in CONSOLE.lock().listeners.range_mut((event, 0)..=(event, u64::MAX)) {
        is_heard = true;
        listening.came = true;
        wakers.extend(listening.waker.take());
    }
    wakers.into_iter().for_each(wake);
    if is_heard && matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT) {
        // When this returns the system ends the process: this leaves those who listen
        // the few seconds that there are.
        loop {
            std::thread::park();
        }
    }
    BOOL::from(is_heard)
}
