//! The default policy.

use std::sync::Arc;

use policy_core::{
    ChildWatcher, Context, ContextPolicy, CurrentLoop, Error, EventLoop, EventLoopPolicy,
};

/// The policy of a process that sets no other.
///
/// Each thread has its own event loop, created by itself on the main thread only. The loop is
/// `SelectorEventLoop`, on Windows `ProactorEventLoop`, whatever other features are on; without the
/// feature `default-loop`, making a loop returns
/// [`ErrorKind::NoDefaultLoop`](crate::ErrorKind::NoDefaultLoop).
///
/// ```
/// use policy::{DefaultEventLoopPolicy, EventLoopPolicy};
///
/// let policy = DefaultEventLoopPolicy::new();
/// let event_loop = policy.new_event_loop()?;
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct DefaultEventLoopPolicy {
    contexts: ContextPolicy,
}

impl DefaultEventLoopPolicy {
    /// Makes the policy. Does not create a loop yet.
    ///
    /// ```
    /// use policy::DefaultEventLoopPolicy;
    ///
    /// policy::set_event_loop_policy(DefaultEventLoopPolicy::new());
    /// assert_eq!(policy::run(async { 7 }), 7);
    /// ```
    pub fn new() -> Self {
        begin();
        Self { contexts: ContextPolicy::new(new_event_loop, Context::thread()) }
    }
}

impl Default for DefaultEventLoopPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(feature = "default-loop", not(windows)))]
fn new_event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    policy_poller::SelectorEventLoop::new()
}

/// As asyncio since Python 3.8.
#[cfg(all(feature = "default-loop", windows))]
fn new_event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    policy_windows::ProactorEventLoop::new()
}

#[cfg(not(feature = "default-loop"))]
fn new_event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    Err(policy_core::ErrorKind::NoDefaultLoop.into())
}

impl EventLoopPolicy for DefaultEventLoopPolicy {
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        Some(&self.contexts)
    }

    fn current(&self) -> Result<CurrentLoop, Error> {
        self.contexts.current()
    }
}

/// Tells the core what only this crate knows: foreign runtimes, and the default watcher.
/// Called wherever a program may begin; costs two loads after the first time.
pub(crate) fn begin() {
    crate::ambient::know_foreign_runtimes();
    policy_core::provide_child_watcher(child_watcher);
}

/// The watcher that is used unless another was set.
fn child_watcher() -> Result<Arc<dyn ChildWatcher>, Error> {
    #[cfg(all(unix, feature = "process"))]
    return Ok(Arc::new(crate::process::watcher::AutoChildWatcher::new()));
    // Windows waits for children by handle; asyncio has no watcher there either.
    #[cfg(not(all(unix, feature = "process")))]
    Err(policy_core::ErrorKind::NotImplemented.into())
}
