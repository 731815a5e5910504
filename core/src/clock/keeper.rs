//! The round trip of a byte through a loop's reactor and through its tasks: what was
//! ready before has been seen when it is back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::session::{Session, wake};
use crate::EventLoop;

#[cfg(unix)]
use probe::Probe;

/// The end at which a byte is sent.
#[derive(Default)]
pub(super) struct Ping {
    has_keeper: bool,
    /// Where there is no reactor to go through: whether the keeper should answer.
    asked: bool,
    keeper: Option<Waker>,
    #[cfg(unix)]
    sender: Option<Arc<std::os::unix::net::UnixStream>>,
}

impl Ping {
    /// Sends a byte. A reactor that fails is done without: the keeper is woken.
    pub(super) fn ping(session: &Session) {
        #[cfg(unix)]
        {
            let sender = session.lock().ping.sender.clone();
            if sender.is_some_and(|sender| probe::send(&sender)) {
                return;
            }
        }
        let keeper = {
            let ping = &mut session.lock().ping;
            ping.asked = true;
            ping.keeper.take()
        };
        keeper.into_iter().for_each(wake);
    }

    /// Returns the keeper, to be woken for its end.
    pub(super) fn end(&mut self) -> Option<Waker> {
        self.keeper.take()
    }
}

/// Starts the keeper of a session, unless it has one.
pub(super) fn start(event_loop: &Arc<dyn EventLoop>, session: &Arc<Session>) {
    if std::mem::replace(&mut session.lock().ping.has_keeper, true) {
        return;
    }
    let keeper = Keeper {
        #[cfg(unix)]
        probe: Probe::new(&**event_loop, session),
        session: session.clone(),
    };
    // Detached: it ends with the session.
    drop(event_loop.start_task(keeper).0);
}

struct Keeper {
    #[cfg(unix)]
    probe: Option<Probe>,
    session: Arc<Session>,
}

impl Future for Keeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.session.keeper_polled();
        #[cfg_attr(not(unix), allow(unused_mut, reason = "there is no probe"))]
        let mut answers = {
            let ping = &mut this.session.lock().ping;
            ping.keeper = Some(cx.waker().clone());
            std::mem::take(&mut ping.asked)
        };
        // After the waker is there: the end wakes it, or was before.
        if this.session.is_over() {
            return Poll::Ready(());
        }
        #[cfg(unix)]
        if let Some(probe) = &this.probe {
            match probe.poll(cx) {
                Ok(received) => answers |= received,
                Err(()) => {
                    this.session.lock().ping.sender = None;
                    this.probe = None;
                    answers = true;
                }
            }
        }
        if answers {
            this.session.pong();
        }
        Poll::Pending
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let keeper = {
            let ping = &mut self.session.lock().ping;
            ping.has_keeper = false;
            #[cfg(unix)]
            drop(ping.sender.take());
            ping.keeper.take()
        };
        drop(keeper);
    }
}

#[cfg(unix)]
mod probe {
    use std::io::{ErrorKind, Read, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::Session;
    use crate::{EventLoop, Interest, Source};

    /// The end at which a byte comes back, by way of the reactor.
    pub(super) struct Probe {
        source: Box<dyn Source>,
        stream: UnixStream,
    }

    impl Probe {
        /// `None` where the loop has no reactor, or the system no descriptors: then the
        /// round trip is through the tasks only.
        pub(super) fn new(event_loop: &dyn EventLoop, session: &Session) -> Option<Self> {
            let selector = event_loop.as_selector().ok()?;
            let (sender, stream) = UnixStream::pair().ok()?;
            sender.set_nonblocking(true).ok()?;
            stream.set_nonblocking(true).ok()?;
            let fd = OwnedFd::from(stream.try_clone().ok()?);
            let source = selector.register(Arc::new(fd)).ok()?;
            session.lock().ping.sender = Some(Arc::new(sender));
            Some(Self { source, stream })
        }

        /// Returns true if bytes have come.
        pub(super) fn poll(&self, cx: &mut Context<'_>) -> Result<bool, ()> {
            let mut received = false;
            let mut buffer = [0; 16];
            loop {
                let mut read = |_: std::os::fd::BorrowedFd<'_>| (&self.stream).read(&mut buffer);
                match self.source.poll_io(cx, Interest::Readable, &mut read) {
                    Poll::Ready(Ok(1..)) => received = true,
                    Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Err(()),
                    Poll::Pending => return Ok(received),
                }
            }
        }
    }

    pub(super) fn send(mut sender: &UnixStream) -> bool {
        loop {
            match sender.write(&[0]) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
