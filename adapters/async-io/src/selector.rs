//! Descriptors in async-io's reactor.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use async_io::Async;
use policy_core::os::{self, BorrowedIo, OwnedIo};
use policy_core::{Error, Interest, Selector, Source};

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
    fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        // The caller decides whether the descriptor is non-blocking: the flag
        // belongs to the open file, which other processes may share.
        let registered = Async::new_nonblocking(io).map_err(|error| {
            Error::io(
                "can't register the descriptor with async-io's reactor; regular files are read in blocking jobs, and a descriptor is registered once",
                error,
            )
        })?;
        let waits = Default::default();
        Ok(Box::new(Registered { io: registered, waits }))
    }
}

#[derive(Debug)]
struct Registered {
    io: Async<Arc<OwnedIo>>,
    /// Whether the last poll of a direction was told to wait: reading, writing.
    waits: [AtomicBool; 2],
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let [reads, writes] = &self.waits;
        let (waits, ready): (_, fn(&_, &mut _) -> _) = match interest {
            Interest::Readable => (reads, Async::poll_readable),
            Interest::Writable => (writes, Async::poll_writable),
        };
        let mut asked = None;
        if waits.load(Relaxed) {
            // What the reactor says of what has been is taken here: else the next wait
            // would get it, and try in vain.
            asked = Some(ready(&self.io, cx)?);
            waits.store(false, Relaxed);
        }
        loop {
            // Tried first: what is ready already costs no turn of the reactor.
            match op(os::borrow(self.io.get_ref())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            // Keeps one waker per direction, which is the contract, and allocates
            // nothing; the futures `readable()` and `writable()` would.
            if asked.is_none_or(|asked| asked.is_ready()) && ready(&self.io, cx)?.is_ready() {
                asked = None;
                continue;
            }
            waits.store(true, Relaxed);
            return Poll::Pending;
        }
    }
}
