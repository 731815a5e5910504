//! Descriptors on tokio's reactor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use policy_core::{Error, Interest, Selector, Source};
use tokio::io::unix::AsyncFd;
use tokio::task::coop;

use crate::event_loop::TokioLoop;

impl Selector for TokioLoop {
    fn register(&self, fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
        let number = fd.as_raw_fd();
        // tokio deprecates this for an unsafe twin, because a type may lie about its
        // descriptor. `Arc<OwnedFd>` does not, so nothing has to be promised here.
        #[allow(deprecated, reason = "the twin is unsafe, and newer than our oldest tokio")]
        let register = AsyncFd::new;
        match self.io().make(self.handle(), || register(fd))? {
            Ok(fd) => Ok(Box::new(Registered { fd })),
            Err(cause) => Err(Error::io(
                format!(
                    "can't wait for descriptor {number}; check that it is a socket, pipe, terminal or event, registered once"
                ),
                cause,
            )),
        }
    }
}

#[derive(Debug)]
struct Registered {
    fd: AsyncFd<Arc<OwnedFd>>,
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut tried = false;
        loop {
            let polled = match interest {
                Interest::Readable => self.fd.poll_read_ready(cx),
                Interest::Writable => self.fd.poll_write_ready(cx),
            };
            let Poll::Ready(ready) = polled else {
                // tokio remembers what it was told last, and is told nothing of a
                // descriptor that somebody has closed: so each poll tries once.
                return if tried { Poll::Pending } else { self.try_once(cx, op) };
            };
            // An error here means that the runtime has gone.
            if let Ok(result) = ready?.try_io(|fd| op(fd.get_ref().as_fd())) {
                return Poll::Ready(result);
            }
            tried = true;
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        // What tokio was told stays told: the guard is dropped, and clears nothing.
        match interest {
            Interest::Readable => self.fd.poll_read_ready(cx).map_ok(drop),
            Interest::Writable => self.fd.poll_write_ready(cx).map_ok(drop),
        }
    }
}

impl Registered {
    fn try_once(
        &self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        // A task that has had its share waits for its next turn.
        let share = ready!(coop::poll_proceed(cx));
        match op(self.fd.get_ref().as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => {
                share.made_progress();
                Poll::Ready(result)
            }
        }
    }
}
