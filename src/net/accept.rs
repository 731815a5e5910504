//! Accepting connections, and a pause after the system ran out of descriptors.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use policy_core::Interest;
use policy_core::peer::is_of_one_connection;
use policy_core::sync::Mutex;

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
        std::mem::take(&mut *self.pause.lock())
    }

    pub(super) fn keep_pause(&self, pause: Pause) {
        let mut kept = self.pause.lock();
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
        let Some(until) = self.0.lock().until else { return Poll::Ready(()) };
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
        let mut state = self.0.lock();
        match result {
            Err(error) if is_exhausted(error) => {
                let pause = FIRST * (1 << state.failures.min(MOST_DOUBLINGS));
                state.failures = state.failures.saturating_add(1);
                state.until = Some(Instant::now() + pause);
            }
            _ => *state = State::default(),
        }
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

/// Makes what listeners have in common. They have a field `acceptor` and a method `local_addr`;
/// `$std` is std's type, and `$accept` takes a connection and the peer's address.
macro_rules! listener {
    ($listener:ident, $std:ty, $accept:path => ($stream:ident, $address:ty)) => {
        impl $listener {
            /// Converts a std listener and makes it non-blocking.
            ///
            /// # Errors
            /// Returns an error if the system refuses.
            ///
            /// ```
            #[doc = concat!("# fn example(listener: ", stringify!($std), ") -> std::io::Result<()> {")]
            #[doc = concat!("let listener = policy::net::", stringify!($listener), "::from_std(listener)?;")]
            /// # let _listener = listener;
            /// # Ok(())
            /// # }
            /// ```
            pub fn from_std(listener: $std) -> io::Result<Self> {
                Ok(Self { acceptor: Acceptor::new(Socket::new(listener)?) })
            }

            /// Converts into a std listener, which blocks and belongs to no loop.
            ///
            /// # Errors
            /// Returns an error if the system refuses to make it blocking.
            ///
            /// ```
            #[doc = concat!("# fn example(listener: policy::net::", stringify!($listener), ") -> std::io::Result<()> {")]
            #[doc = concat!("let listener: ", stringify!($std), " = listener.into_std()?;")]
            /// # let _listener = listener;
            /// # Ok(())
            /// # }
            /// ```
            pub fn into_std(self) -> io::Result<$std> {
                self.acceptor.socket.into_std()
            }

            fn socket(&self) -> &Socket {
                &self.acceptor.socket
            }

            /// Polls for a connection; see [`accept`](Self::accept). If several tasks poll, each is
            /// woken when a connection arrives; while the listener pauses because no descriptors
            /// are left, only the task that polled last.
            ///
            /// # Errors
            /// Returns the errors of [`accept`](Self::accept).
            ///
            /// ```
            #[doc = concat!("# async fn example(listener: &policy::net::", stringify!($listener), ") -> std::io::Result<()> {")]
            /// let (stream, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
            /// # drop(stream);
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<($stream, $address)>> {
                let mut pause = self.acceptor.take_pause();
                let polled = self.poll_with(cx, &mut pause);
                self.acceptor.keep_pause(pause);
                polled
            }

            fn poll_with(
                &self,
                cx: &mut Context<'_>,
                pause: &mut Pause,
            ) -> Poll<io::Result<($stream, $address)>> {
                self.acceptor
                    .poll(cx, pause, $accept)
                    .map_ok(|(io, peer)| ($stream::of(Socket::nonblocking(io)), peer))
            }

            /// Returns the connections as a stream, which never ends. An error is an item, and the
            /// stream continues after it; see [`accept`](Self::accept).
            ///
            /// ```
            #[doc = concat!("# async fn example(listener: &policy::net::", stringify!($listener), ") -> std::io::Result<()> {")]
            /// use futures_lite::StreamExt;
            ///
            /// let mut incoming = listener.incoming();
            /// while let Some(stream) = incoming.next().await {
            ///     println!("{:?}", stream?);
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn incoming(&self) -> Incoming<'_> {
                Incoming { listener: self, pause: Pause::default() }
            }

            /// Takes the pending error of the socket.
            ///
            /// # Errors
            /// Returns the error of the system if it refuses.
            ///
            /// ```
            #[doc = concat!("# fn example(listener: &policy::net::", stringify!($listener), ") -> std::io::Result<()> {")]
            /// assert!(listener.take_error()?.is_none());
            /// # Ok(())
            /// # }
            /// ```
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.socket().as_ref().take_error()
            }
        }

        impl TryFrom<$std> for $listener {
            type Error = io::Error;

            fn try_from(listener: $std) -> io::Result<Self> {
                Self::from_std(listener)
            }
        }

        impl fmt::Debug for $listener {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($listener))
                    .field("local", &self.local_addr().ok())
                    .field("io", self.socket())
                    .finish()
            }
        }

        has_descriptor!($listener);

        #[doc = concat!("The connections of a listener; see [`", stringify!($listener), "::incoming`].")]
        ///
        /// ```
        #[doc = concat!("fn connections(listener: &policy::net::", stringify!($listener), ") {")]
        ///     let _connections = listener.incoming();
        /// }
        /// # let _connections = connections;
        /// ```
        #[derive(Debug)]
        #[must_use = "streams do nothing unless they are polled"]
        pub struct Incoming<'a> {
            listener: &'a $listener,
            pause: Pause,
        }

        impl Stream for Incoming<'_> {
            type Item = io::Result<$stream>;

            fn poll_next(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Self::Item>> {
                let this = &mut *self;
                this.listener
                    .poll_with(cx, &mut this.pause)
                    .map(|accepted| Some(accepted.map(|(stream, _)| stream)))
            }
        }
    };
}

pub(super) use listener;
