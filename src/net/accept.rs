//! Accepting connections, and a pause after the system ran out of descriptors.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use policy_core::Interest;
use policy_core::peer::is_of_one_connection;

use super::socket::Socket;
use crate::io::BorrowedIo;
use crate::time::{Sleep, try_sleep_until};

/// How many connections that have gone are passed over before other tasks run.
const GONE_AT_ONCE: usize = 64;

/// A socket that listens.
pub(super) struct Acceptor {
    pub(super) socket: Socket,
    backoff: Backoff,
    /// Of whoever polls the listener itself, and has no place for it.
    pause: Mutex<Pause>,
}

impl Acceptor {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, backoff: Backoff::default(), pause: Mutex::default() }
    }

    /// Waits for a connection. A call that is dropped has taken none.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        pause: &mut Pause,
        accept: fn(&BorrowedIo<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        ready!(self.backoff.poll(cx, pause));
        for _ in 0..GONE_AT_ONCE {
            let accepted = ready!(self.socket.poll_with(cx, Interest::Readable, accept));
            match accepted {
                // That one has gone while it waited: the next.
                Err(error) if is_of_one_connection(&error) => {}
                accepted => {
                    self.backoff.note(&accepted);
                    return Poll::Ready(accepted);
                }
            }
        }
        // Whoever makes connections only to take them back keeps no other task waiting.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Acceptor {
    /// Takes the pause that is kept here. Out of the lock: what it holds wakes and drops
    /// other people's code.
    pub(super) fn take_pause(&self) -> Pause {
        std::mem::take(&mut *self.pause.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn keep_pause(&self, pause: Pause) {
        let mut kept = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *kept, pause);
        drop(kept);
        drop(former);
    }
}

/// When a listener may accept again: if there was no descriptor for a connection, that
/// stays in the queue, and asking for it at once would spin.
///
/// The pause doubles from 5 milliseconds to about a second, and starts anew with a
/// success. It belongs to the listener and not to a call: a call that is dropped does
/// not start it anew.
#[derive(Debug, Default)]
struct Backoff(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

const FIRST: Duration = Duration::from_millis(5);
const MOST_DOUBLINGS: u32 = 8;

impl Backoff {
    /// Waits until the pause is over, if there is one.
    fn poll(&self, cx: &mut Context<'_>, pause: &mut Pause) -> Poll<()> {
        let Some(until) = self.lock().until else { return Poll::Ready(()) };
        while Instant::now() < until {
            let sleep = match &mut pause.0 {
                Some((of, sleep)) if *of == until => sleep,
                other => match try_sleep_until(until) {
                    Ok(sleep) => &mut other.insert((until, Box::pin(sleep))).1,
                    // No loop, no timer: the wait for a connection will say so.
                    Err(_) => break,
                },
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        pause.0 = None;
        Poll::Ready(())
    }

    /// Learns how a try ended.
    fn note<T>(&self, result: &io::Result<T>) {
        let mut state = self.lock();
        match result {
            Err(error) if is_exhausted(error) => {
                let pause = FIRST * (1 << state.failures.min(MOST_DOUBLINGS));
                state.failures = state.failures.saturating_add(1);
                state.until = Some(Instant::now() + pause);
            }
            _ => *state = State::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The timer of one who waits for the end of a pause. In a box: there is none, but in
/// need.
#[derive(Default)]
pub(super) struct Pause(Option<(Instant, Pin<Box<Sleep>>)>);

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pause").field(&self.0.as_ref().map(|(until, _)| until)).finish()
    }
}

/// Returns true if the process or the system has no descriptor or no memory left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    const CODES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    // WSAEMFILE, WSAENOBUFS.
    #[cfg(windows)]
    const CODES: [i32; 2] = [10024, 10055];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}
