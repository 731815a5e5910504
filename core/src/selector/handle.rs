//! What a user calls of a loop's selector.

use std::sync::Arc;

use crate::os::OwnedIo;
use crate::{Error, EventLoop, Source};

/// A loop's selector: what waits until descriptors are ready; from
/// [`event_loop.selector()`](trait.EventLoop.html#method.selector).
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// let selector = event_loop.selector()?;
/// # drop(selector);
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

    /// Registers a descriptor (a socket on Windows) with the loop's reactor, until the
    /// source is dropped; see [`Selector::register`](crate::Selector::register).
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): EPERM for a regular file, ENOSPC and
    /// EMFILE at the system's limits.
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
        self.event_loop.as_selector()?.register(io)
    }
}
