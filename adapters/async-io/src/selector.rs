//! Descriptors in async-io's reactor.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_io::Async;
use policy_core::os::{self, BorrowedIo, OwnedIo};
use policy_core::{Error, Interest, Selector, Source};

/// async-io's reactor: the selector of every loop on async-io.
///
/// ```
/// use policy_async_io::selector::AsyncIo;
///
/// fn selector() -> &'static dyn policy_core::Selector {
///     &AsyncIo
/// }
/// # selector();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncIo;

impl Selector for AsyncIo {
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        // The caller decides whether the descriptor is non-blocking: the flag
        // belongs to the open file, which other processes may share.
        let registered = Async::new_nonblocking(io).map_err(|error| {
            Error::io(
                "can't register the descriptor with async-io's reactor; regular files are read in blocking jobs, and a descriptor is registered once",
                error,
            )
        })?;
        Ok(Box::new(Registered(registered)))
    }
}

#[derive(Debug)]
struct Registered(Async<Arc<OwnedIo>>);

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            // Tried first: what is ready already costs no turn of the reactor.
            match op(os::borrow(self.0.get_ref())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            // Keeps one waker per direction, which is the contract, and allocates
            // nothing; the futures `readable()` and `writable()` would.
            let ready = match interest {
                Interest::Readable => self.0.poll_readable(cx),
                Interest::Writable => self.0.poll_writable(cx),
            };
            match ready {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        // Each wait is armed anew, and the system looks then.
        match interest {
            Interest::Readable => self.0.poll_readable(cx),
            Interest::Writable => self.0.poll_writable(cx),
        }
    }
}
