//! Descriptors in async-io's reactor.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::task::{Context, Poll};

#[cfg(unix)]
use async_io::Async;
use policy_core::Selector;
#[cfg(unix)]
use policy_core::{Error, Interest, Source};

/// async-io's reactor: the selector of every loop that stands on it.
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
    #[cfg(unix)]
    fn register(&self, fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
        // The caller decides whether the descriptor is non-blocking: the flag
        // belongs to the open file, which other processes may share.
        let registered = Async::new_nonblocking(fd).map_err(|error| {
            Error::io(
                "can't register the descriptor with async-io's reactor; regular files are read in blocking jobs, and a descriptor is registered once",
                error,
            )
        })?;
        Ok(Box::new(Registered(registered)))
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Registered(Async<Arc<OwnedFd>>);

#[cfg(unix)]
impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            // Tried first: what is ready already costs no turn of the reactor.
            match op(self.0.get_ref().as_fd()) {
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
}
