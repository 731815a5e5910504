//! The policy whose loops use compio.

use std::sync::Arc;

use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory};

use crate::{Driver, ProactorEventLoop};

/// Gives each thread a loop on compio; creates one by itself on the main thread only.
///
/// ```
/// use policy_compio::CompioPolicy;
/// use policy_core::{EventLoopPolicy, LoopKind};
///
/// let event_loop = CompioPolicy::new().new_event_loop()?;
/// assert_eq!((event_loop.name(), event_loop.kind()), ("compio", LoopKind::Proactor));
/// event_loop.close()?;
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct CompioPolicy {
    contexts: ContextPolicy,
}

impl CompioPolicy {
    /// Makes a policy whose loops use the best driver that the system allows.
    ///
    /// ```
    /// use policy_core::EventLoopPolicy;
    ///
    /// let event_loop = policy_compio::CompioPolicy::new().new_event_loop()?;
    /// assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::of(Flavour { driver: None })
    }

    /// Makes the same policy with loops of this driver only. Loops that it created before are not
    /// its loops any more.
    ///
    /// If this system does not have the driver, making a loop returns [`ErrorKind::Unsupported`];
    /// if the system refuses it, the first run of the loop returns [`ErrorKind::Io`].
    ///
    /// [`ErrorKind::Unsupported`]: policy_core::ErrorKind::Unsupported
    /// [`ErrorKind::Io`]: policy_core::ErrorKind::Io
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # {
    /// use policy_compio::{CompioPolicy, Driver};
    /// use policy_core::EventLoopPolicy;
    ///
    /// let event_loop = CompioPolicy::new().driver(Driver::Polling).new_event_loop()?;
    /// assert_eq!(event_loop.name(), "compio:polling");
    /// event_loop.close()?;
    /// # }
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[must_use]
    pub fn driver(self, driver: Driver) -> Self {
        Self::of(Flavour { driver: Some(driver) })
    }

    fn of(flavour: Flavour) -> Self {
        Self { contexts: ContextPolicy::new(flavour, Context::thread()) }
    }
}

impl Default for CompioPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLoopPolicy for CompioPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.contexts)
    }
}

#[derive(Clone, Copy, Debug)]
struct Flavour {
    driver: Option<Driver>,
}

impl LoopFactory for Flavour {
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        ProactorEventLoop::on(self.driver)
    }
}
