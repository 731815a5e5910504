//! The policy that gives loops on compio.

use std::sync::Arc;

use policy_core::{Context, ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopFactory};

use crate::{Driver, ProactorEventLoop};

/// Gives each thread a loop on compio, made by itself on the main thread only.
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
    /// Makes the policy whose loops take the best driver that the system lets them
    /// have.
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

    /// Makes the same policy with loops of one driver, and no other. Loops that it
    /// gave before are not its loops any more.
    ///
    /// A driver that this system can't have is [`ErrorKind::Unsupported`] when a loop
    /// is made; one that it refuses is [`ErrorKind::Io`] when the loop is first run.
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
