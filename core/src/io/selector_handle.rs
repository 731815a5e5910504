//! The selector's calls for users.

use std::fmt;
use std::future::Future;
#[cfg(unix)]
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::io_callbacks::{IoCallback, IoCallbacks};
use crate::budget::Once;
use crate::os::{self, NamesIo, OwnedIo, RawIo};
use crate::{AtEnd, Error, ErrorKind, EventLoop, Interest, Source, context};

/// Callbacks and waits for descriptors that become ready (sockets on Windows); from
/// [`event_loop.selector()`](trait.EventLoop.html#method.selector).
///
/// The rules are those of asyncio's loops:
///
/// - The loop calls a callback in every turn while the descriptor is ready; an end and an error
///   count as ready.
/// - Adding another callback for the same number replaces the first. The reader and the writer of a
///   number are independent, and so are waits.
/// - A callback that panics stays; the loop reports the panic to its [exception
///   handler](trait.EventLoop.html#method.set_exception_handler).
/// - Closing the loop removes all callbacks.
///
/// These rules differ from asyncio's, or asyncio leaves them open:
///
/// - You may call all of this from any thread, where asyncio may break. If another thread removes a
///   callback during its call, the call runs to its end.
/// - The selector watches a duplicate of the descriptor, so it never confuses a file with another
///   one that later gets the same number. The file therefore stays open until the callback is
///   removed or the wait is over; remove the callback before you close the file, as in asyncio.
///
/// A regular file is always ready, so it is refused, as by epoll; read it with
/// [`proactor()`](trait.EventLoop.html#method.proactor), or in a blocking job.
///
/// ```
/// # #[cfg(unix)]
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// let (mut ours, theirs) = UnixStream::pair().expect("two descriptors");
/// let selector = event_loop.selector()?;
/// let stop = event_loop.clone();
/// let number = ours.try_clone().expect("a descriptor");
/// selector.add_reader(&number, move || {
///     let mut bytes = [0; 64];
///     println!("{:?} bytes have come", ours.read(&mut bytes));
///     stop.stop();
/// })?;
/// drop(theirs); // an end counts, too
/// event_loop.run_forever()?;
/// assert!(selector.remove_reader(&number));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SelectorHandle {
    event_loop: Arc<dyn EventLoop>,
}

impl SelectorHandle {
    pub(crate) fn new(event_loop: Arc<dyn EventLoop>) -> Result<Self, Error> {
        event_loop.as_selector()?;
        Ok(Self { event_loop })
    }

    /// Calls `callback` in every turn of the loop while there is something to read, a connection to
    /// accept, or an end. Replaces the previous reader of this descriptor.
    ///
    /// `io` is a reference to anything with a descriptor, a `BorrowedFd`, or a number.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidInput`] for a number below 0; [`ErrorKind::Io`] with EBADF for a
    /// number that is not open, with EPERM for a regular file or a directory, and with EMFILE or
    /// ENOSPC at the system's limits; [`ErrorKind::LoopClosed`] if the loop was closed. After an
    /// error the previous callback stays.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    /// let reader = socket.try_clone().expect("a descriptor");
    /// event_loop.selector()?.add_reader(&socket, move || {
    ///     println!("{:?}", reader.recv(&mut [0; 1500]));
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn add_reader(
        &self,
        io: impl NamesIo,
        callback: impl FnMut() + Send + 'static,
    ) -> Result<(), Error> {
        self.add(io.raw_io(), Interest::Readable, Box::new(callback))
    }

    /// Removes the callback of [`add_reader`](Self::add_reader), and returns true if there was one.
    /// It is not called any more, and the duplicate descriptor is closed.
    ///
    /// A closed loop has none.
    ///
    /// ```
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// # #[cfg(unix)]
    /// assert!(!event_loop.selector()?.remove_reader(0)); // was never added
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_reader(&self, io: impl NamesIo) -> bool {
        self.remove(io.raw_io(), Interest::Readable)
    }

    /// Calls `callback` in every turn of the loop while there is room to write, or a connection is
    /// established. Replaces the previous writer of this descriptor.
    ///
    /// # Errors
    /// Returns the errors of [`add_reader`](Self::add_reader).
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let selector = event_loop.selector()?;
    /// let (own, stdout) = (selector.clone(), 1);
    /// selector.add_writer(stdout, move || {
    ///     println!("there is room");
    ///     own.remove_writer(stdout); // else it is called again
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn add_writer(
        &self,
        io: impl NamesIo,
        callback: impl FnMut() + Send + 'static,
    ) -> Result<(), Error> {
        self.add(io.raw_io(), Interest::Writable, Box::new(callback))
    }

    /// Removes the callback of [`add_writer`](Self::add_writer), and returns true if
    /// there was one.
    ///
    /// ```
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// # #[cfg(unix)]
    /// assert!(!event_loop.selector()?.remove_writer(1)); // was never added
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_writer(&self, io: impl NamesIo) -> bool {
        self.remove(io.raw_io(), Interest::Writable)
    }

    /// Waits until there is something to read, a connection to accept, or an end.
    ///
    /// Any number of tasks may wait for one descriptor, and all are woken when it is ready.
    /// Dropping a wait loses nothing.
    ///
    /// # Errors
    /// Returns the errors of [`add_reader`](Self::add_reader), and [`ErrorKind::LoopClosed`] if the
    /// loop is closed while another executor polls this.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    /// event_loop.selector()?.readable(&listener).await?;
    /// let _connection = listener.accept(); // does not block
    /// # Ok(())
    /// # }
    /// ```
    pub fn readable(&self, io: impl NamesIo) -> Readiness {
        self.readiness(io.raw_io(), Interest::Readable)
    }

    /// Waits until there is room to write, or a connection is established.
    ///
    /// # Errors
    /// Returns the errors of [`readable`](Self::readable).
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.selector()?.writable(&std::io::stdout()).await?;
    /// println!("there is room");
    /// # Ok(())
    /// # }
    /// ```
    pub fn writable(&self, io: impl NamesIo) -> Readiness {
        self.readiness(io.raw_io(), Interest::Writable)
    }

    /// Registers a descriptor with the loop's reactor, until the source is dropped; see
    /// [`Selector::register`](crate::Selector::register).
    ///
    /// # Errors
    /// Returns [`ErrorKind::Io`] with EPERM for a regular file, EEXIST for a descriptor that is
    /// registered already, and ENOSPC or EMFILE at the system's limits.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::os::fd::OwnedFd;
    /// use std::os::unix::net::UnixStream;
    /// use std::sync::Arc;
    ///
    /// let (ours, _theirs) = UnixStream::pair().expect("two descriptors");
    /// let source = event_loop.selector()?.register(Arc::new(OwnedFd::from(ours)))?;
    /// drop(source); // not watched any more
    /// # Ok(())
    /// # }
    /// ```
    pub fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        self.event_loop.register(io)
    }

    #[track_caller]
    fn add(
        &self,
        io: RawIo,
        interest: Interest,
        callback: Box<dyn FnMut() + Send>,
    ) -> Result<(), Error> {
        let watch = Arc::new(IoCallback::new(self.duplicate(io)?, callback, Location::caller()));
        let (event_loop, theirs) = (Arc::downgrade(&self.event_loop), watch.clone());
        // In the table before it runs: its first call may remove it.
        let watches = IoCallbacks::of(&self.event_loop)?;
        watches.insert((io, interest), watch.clone());
        let (task, accepted) = self.event_loop.start_task(async move {
            theirs.run(&event_loop, interest).await;
            if let Some(event_loop) = event_loop.upgrade() {
                if let Ok(watches) = IoCallbacks::of(&event_loop) {
                    watches.forget((io, interest), &theirs);
                }
            }
        });
        watch.spawned(task.abort_handle());
        accepted.inspect_err(|_| watches.forget((io, interest), &watch))
    }

    fn remove(&self, io: RawIo, interest: Interest) -> bool {
        IoCallbacks::of(&self.event_loop).is_ok_and(|watches| watches.remove((io, interest)))
    }

    fn readiness(&self, io: RawIo, interest: Interest) -> Readiness {
        let registered = self.duplicate(io).map_err(Some);
        let event_loop = Arc::downgrade(&self.event_loop);
        Readiness { registered, interest, turn: Once::new(), event_loop, end: None }
    }

    /// Registers a second number for what `io` is a number of: whoever owns the first
    /// may close it.
    fn duplicate(&self, io: RawIo) -> Result<Box<dyn Source>, Error> {
        self.event_loop.state().check_open()?;
        #[cfg(unix)]
        if io < 0 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{io} can't be a descriptor; they begin at 0"),
            ));
        }
        let second = os::duplicate(io).map_err(|cause| {
            let remedy = match cause.raw_os_error() {
                #[cfg(unix)]
                Some(libc::EMFILE) => "close others, or raise the limit",
                _ => "check that it is open; remove what waits for it before closing it",
            };
            Error::io(format!("can't wait for descriptor {io}; {remedy}"), cause)
        })?;
        #[cfg(unix)]
        if os::sort(os::borrow(&second)) == os::Sort::File {
            return Err(Error::io(
                format!(
                    "descriptor {io} is a regular file, which is always ready; read it with `event_loop.proactor()`, or in a blocking job"
                ),
                // By the number, on each loop: epoll says it, and others would not.
                io::Error::from_raw_os_error(libc::EPERM),
            ));
        }
        self.event_loop.register(Arc::new(second))
    }
}

/// A wait for a descriptor; see [`SelectorHandle::readable`]. It watches from its creation on.
///
/// ```
/// # #[cfg(unix)]
/// # async fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// let wait: policy_core::Readiness = event_loop.selector()?.readable(0);
/// wait.await
/// # }
/// ```
#[must_use = "a wait does nothing unless it is awaited"]
pub struct Readiness {
    /// `Err(None)` once its error was told.
    registered: Result<Box<dyn Source>, Option<Error>>,
    interest: Interest,
    turn: Once,
    event_loop: Weak<dyn EventLoop>,
    /// If another executor polls it: that would not hear of the end of the loop.
    end: Option<AtEnd>,
}

impl Future for Readiness {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { registered, interest, turn, event_loop, end } = &mut *self;
        turn.poll(cx, |cx| {
            let polled = poll_ready(registered, *interest, cx);
            let is_over = match &polled {
                Poll::Ready(Ok(())) => false,
                // A reactor that ends with its loop says less.
                Poll::Ready(Err(_)) => {
                    event_loop.upgrade().is_none_or(|event_loop| event_loop.is_closed())
                }
                Poll::Pending => is_over(event_loop, end, cx),
            };
            if is_over { Poll::Ready(Err(ErrorKind::LoopClosed.into())) } else { polled }
        })
    }
}

/// Returns true if the loop has ended, and nobody else would say so.
fn is_over(
    event_loop: &Weak<dyn EventLoop>,
    end: &mut Option<AtEnd>,
    cx: &mut Context<'_>,
) -> bool {
    let Some(event_loop) = event_loop.upgrade() else { return true };
    if event_loop.state().is_forked() || context::is_polled_by(&event_loop) {
        return false;
    }
    end.get_or_insert_with(|| event_loop.at_end(|| ())).is_over(cx)
}

fn poll_ready(
    registered: &mut Result<Box<dyn Source>, Option<Error>>,
    interest: Interest,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    match registered {
        Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "this wait has failed before; do not poll its future again",
            )
        }))),
        Ok(source) => {
            let ready = source.poll_io(cx, interest, &mut |io| os::is_ready(io, interest));
            ready.map(|ready| match ready {
                Ok(_) => Ok(()),
                Err(cause) => Err(Error::io(
                    "the loop can't wait for this descriptor any more; wait on a loop that runs",
                    cause,
                )),
            })
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("interest", &self.interest).finish_non_exhaustive()
    }
}
