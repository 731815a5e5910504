//! The policy of the process, and what is asked of it.

use std::sync::Arc;

use policy_core::{
    ChildWatcher, Error, ErrorKind, EventLoop, EventLoopPolicy, IntoPolicy, IntoWatcher, registry,
};

use crate::ambient;
use crate::default::begin;

/// Returns the policy: that of [`with_event_loop_policy`] on this thread, else the
/// process's. There always is one: [`DefaultEventLoopPolicy`](crate::DefaultEventLoopPolicy)
/// is made on first use.
///
/// May be called from any thread. asyncio: `get_event_loop_policy`.
///
/// ```
/// use std::sync::Arc;
///
/// let policy = policy::get_event_loop_policy();
/// assert!(Arc::ptr_eq(&policy, &policy::get_event_loop_policy()));
/// ```
pub fn get_event_loop_policy() -> Arc<dyn EventLoopPolicy> {
    begin();
    registry::get_or_init(|| Arc::new(crate::DefaultEventLoopPolicy::new()))
}

/// Sets the policy of the process, at any time; `None` restores the default, newly
/// made.
///
/// What was made under the policy before (loops, tasks, timers, children) stays as
/// it is. The loops that the policy before kept for contexts go with it: a loop
/// that nobody else holds is closed.
///
/// May be called from any thread. asyncio: `set_event_loop_policy`.
///
/// ```
/// use policy::DefaultEventLoopPolicy;
///
/// policy::set_event_loop_policy(DefaultEventLoopPolicy::new());
/// policy::set_event_loop_policy(None);
/// ```
pub fn set_event_loop_policy(policy: impl IntoPolicy) {
    begin();
    drop(registry::replace(policy.into_policy()));
}

/// Calls `f` with `policy` in place of the process's policy, on this thread only.
///
/// For tests, and for embedding: other threads are not concerned, and the policy
/// before is back when `f` returns or panics. `None` means a new default policy.
///
/// ```
/// use policy::DefaultEventLoopPolicy;
///
/// let before = policy::get_event_loop_policy();
/// policy::with_event_loop_policy(DefaultEventLoopPolicy::new(), || {
///     assert!(!std::sync::Arc::ptr_eq(&before, &policy::get_event_loop_policy()));
/// });
/// assert!(std::sync::Arc::ptr_eq(&before, &policy::get_event_loop_policy()));
/// ```
pub fn with_event_loop_policy<R>(policy: impl IntoPolicy, f: impl FnOnce() -> R) -> R {
    let policy =
        policy.into_policy().unwrap_or_else(|| Arc::new(crate::DefaultEventLoopPolicy::new()));
    begin();
    registry::scoped(policy, f)
}

/// Returns the running loop, else the loop that the policy has for this context.
///
/// The default policy makes one by itself on the main thread only, as asyncio does.
///
/// # Errors
/// [`ErrorKind::NoCurrentLoop`], naming the thread; or what the policy gives.
///
/// ```
/// std::thread::spawn(|| {
///     let error = policy::get_event_loop().unwrap_err();
///     assert_eq!(error.kind(), policy::ErrorKind::NoCurrentLoop);
/// })
/// .join()
/// .unwrap();
/// ```
pub fn get_event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    match ambient::running() {
        Some(event_loop) => Ok(event_loop),
        None => get_event_loop_policy().get_event_loop(),
    }
}

/// Sets the loop of this context, or clears it.
///
/// # Errors
/// [`ErrorKind::LoopClosed`] for a closed loop, with nothing changed; or what the
/// policy gives.
///
/// ```
/// let event_loop = policy::new_event_loop()?;
/// policy::set_event_loop(Some(event_loop.clone()))?;
/// assert!(std::sync::Arc::ptr_eq(&event_loop, &policy::get_event_loop()?));
/// policy::set_event_loop(None)?;
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn set_event_loop(event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
    get_event_loop_policy().set_event_loop(event_loop)
}

/// Makes an event loop by the policy. It is not set as the loop of any context.
///
/// # Errors
/// If the executor can't be started; [`ErrorKind::NoDefaultLoop`].
///
/// ```
/// let event_loop = policy::new_event_loop()?;
/// assert_eq!(event_loop.run_until_complete(async { 6 * 7 })?, 42);
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn new_event_loop() -> Result<Arc<dyn EventLoop>, Error> {
    get_event_loop_policy().new_event_loop()
}

/// Returns the loop that runs on this thread; a tokio runtime that runs here is one
/// (feature `tokio`).
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`].
///
/// ```
/// assert!(policy::get_running_loop().is_err());
/// policy::run(async {
///     assert!(policy::get_running_loop().unwrap().is_running());
/// });
/// ```
pub fn get_running_loop() -> Result<Arc<dyn EventLoop>, Error> {
    ambient::running().ok_or_else(|| ErrorKind::NoRunningLoop.into())
}

/// Returns the child watcher of the policy; `AutoChildWatcher` if none was set, whichever
/// policy it is.
///
/// # Errors
/// [`ErrorKind::NotImplemented`] by a policy without watchers, and on Windows.
///
/// ```
/// # #[cfg(unix)]
/// assert!(policy::get_child_watcher()?.is_active());
/// # Ok::<(), policy::Error>(())
/// ```
pub fn get_child_watcher() -> Result<Arc<dyn ChildWatcher>, Error> {
    get_event_loop_policy().get_child_watcher()
}

/// Sets the child watcher of the policy, and closes the one before; `None` restores
/// the default.
///
/// # Errors
/// [`ErrorKind::NotImplemented`] by a policy without watchers.
///
/// ```
/// policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn set_child_watcher(watcher: impl IntoWatcher) -> Result<(), Error> {
    get_event_loop_policy().set_child_watcher(watcher.into_watcher())
}
