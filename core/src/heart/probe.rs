//! The round trip of a byte through a loop's reactor: what was ready before it was sent
//! has been seen when it is back.

#[cfg(unix)]
use super::Ready;
use crate::EventLoop;

pub(super) use system::Probe;

#[cfg(unix)]
mod system {
    use std::io::{ErrorKind, Read, Write};
    use std::os::fd::{BorrowedFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::task::{Context, Poll, Wake, Waker};

    use super::{EventLoop, Ready};
    use crate::{Interest, Source};

    pub(in crate::heart) struct Probe {
        source: Box<dyn Source>,
        sender: UnixStream,
        stream: UnixStream,
        signal: Arc<Signal>,
    }

    /// Woken by the reactor, and by nobody else.
    struct Signal {
        is_woken: AtomicBool,
        ready: Arc<Ready>,
    }

    impl Probe {
        /// `None` if the loop is no selector, or has no descriptors left.
        pub(in crate::heart) fn new(event_loop: &dyn EventLoop) -> Option<Self> {
            let selector = event_loop.as_selector().ok()?;
            let (sender, stream) = UnixStream::pair().ok()?;
            sender.set_nonblocking(true).ok()?;
            stream.set_nonblocking(true).ok()?;
            let fd = OwnedFd::from(stream.try_clone().ok()?);
            let source = selector.register(Arc::new(fd)).ok()?;
            let ready = event_loop.state().ready().clone();
            let signal = Arc::new(Signal { is_woken: AtomicBool::new(false), ready });
            let probe = Self { source, sender, stream, signal };
            probe.read().ok().map(|_| probe)
        }

        /// Returns true if the reactor will tell of the next byte. False where an executor's
        /// own budget has ended the read: that wakes at once, and leaves the readiness of
        /// the last byte, by which the next one would be read before the reactor has looked.
        pub(in crate::heart) fn is_armed(&self) -> Result<bool, ()> {
            self.signal.is_woken.store(false, SeqCst);
            self.read()?;
            Ok(!self.signal.is_woken.load(SeqCst))
        }

        pub(in crate::heart) fn send(&self) -> bool {
            loop {
                match (&self.sender).write(&[0]) {
                    Ok(_) => return true,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
            }
        }

        /// Returns true if the byte is back; an error if none will come back any more.
        pub(in crate::heart) fn is_back(&self) -> Result<bool, ()> {
            // Not read before the reactor has told of it: it is there at once.
            if self.signal.is_woken.swap(false, SeqCst) { self.read() } else { Ok(false) }
        }

        fn read(&self) -> Result<bool, ()> {
            let waker = Waker::from(self.signal.clone());
            let mut cx = Context::from_waker(&waker);
            let mut received = false;
            let mut buffer = [0; 16];
            loop {
                let mut read = |_: BorrowedFd<'_>| (&self.stream).read(&mut buffer);
                match self.source.poll_io(&mut cx, Interest::Readable, &mut read) {
                    Poll::Ready(Ok(1..)) => received = true,
                    Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Err(()),
                    Poll::Pending => return Ok(received),
                }
            }
        }
    }

    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            self.is_woken.store(true, SeqCst);
            self.ready.nudge();
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::EventLoop;

    /// There is none: a look at the reactor has to do.
    pub(in crate::heart) enum Probe {}

    impl Probe {
        pub(in crate::heart) fn new(_event_loop: &dyn EventLoop) -> Option<Self> {
            None
        }

        pub(in crate::heart) fn is_armed(&self) -> Result<bool, ()> {
            match *self {}
        }

        pub(in crate::heart) fn send(&self) -> bool {
            match *self {}
        }

        pub(in crate::heart) fn is_back(&self) -> Result<bool, ()> {
            match *self {}
        }
    }
}
