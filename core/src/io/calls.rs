//! What users call on a loop for I/O.

use std::sync::Arc;

#[cfg(feature = "proactor")]
use super::ProactorHandle;
use super::SelectorHandle;
use crate::os::OwnedIo;
use crate::{Error, EventLoop, Source};

/// I/O: asyncio's `add_reader`, `sock_recv` and their relatives are methods of these handles.
impl dyn EventLoop {
    /// Returns a handle that waits until descriptors are ready: `add_reader`, `readable` and so on.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the loop is no selector.
    ///
    /// ```
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let _selector = event_loop.selector()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn selector(self: &Arc<Self>) -> Result<SelectorHandle, Error> {
        SelectorHandle::new(self.clone())
    }

    /// Returns a handle for completion-style I/O, whose operations own their buffers: `read`,
    /// `write`, `accept` and so on. A loop that is only a selector emulates them: it tries each
    /// operation and waits for readiness.
    ///
    /// # Errors
    /// Returns [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the loop is neither a
    /// proactor nor a selector.
    ///
    /// ```
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>, file: std::fs::File) -> std::io::Result<()> {
    /// let (read, buffer) = event_loop.proactor()?.read(&file.into(), vec![0; 4096]).await;
    /// println!("{} bytes: {buffer:?}", read?);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "proactor")]
    pub fn proactor(self: &Arc<Self>) -> Result<ProactorHandle, Error> {
        ProactorHandle::new(self.clone())
    }

    /// Registers a descriptor with the loop's selector. From then on every run looks at the
    /// reactor, however short it is.
    #[doc(hidden)]
    pub fn register(&self, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        let selector = self.as_selector()?;
        self.state().ready().expect();
        selector.register(io)
    }
}
