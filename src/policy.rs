//! The policy of the process, and the calls that use it.

use std::sync::Arc;

use policy_core::{
    ChildWatcher, Error, ErrorKind, EventLoop, EventLoopPolicy, IntoPolicy, IntoWatcher, registry,
};

use crate::ambient;
use crate::default::begin;

/// Returns the policy: that of [`with_event_loop_policy`] on this thread, else the process's. There
/// always is one: the first use makes [`DefaultEventLoopPolicy`](crate::DefaultEventLoopPolicy).
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

/// Sets the policy of the process, at any time; `None` restores a new default policy.
///
/// Loops, tasks, timers and children of the previous policy are not affected. The loops that the
/// previous policy kept for contexts are dropped with it: a loop is closed if no other code holds
/// it.
///
/// May be called from any thread. asyncio: `set_event_loop_policy`.
///
/// ```
/// use policy::DefaultEventLoopPolicy;
///
/// policy::set_event_loop_policy(DefaultEventLoopPolicy::new());
/// assert_eq!(policy::run(async { 7 }), 7);
/// policy::set_event_loop_policy(None);
/// ```
pub fn set_event_loop_policy(policy: impl IntoPolicy) {
    begin();
    drop(registry::replace(policy.into_policy()));
}

/// Calls `f` with `policy` in place of the process's policy, on this thread only.
///
/// For tests, and for embedding: it does not affect other threads, and restores the previous policy
/// when `f` returns or panics. `None` uses a new default policy.
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

/// Returns the running loop, else the policy's loop for this context.
///
/// The default policy creates one by itself on the main thread only, like asyncio.
///
/// # Errors
/// Returns [`ErrorKind::NoCurrentLoop`], which names the thread, or the error of the policy.
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
/// Returns [`ErrorKind::LoopClosed`] for a closed loop, and changes nothing; or the error of the
/// policy.
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

/// Creates an event loop of the policy. Does not set it as the loop of any context.
///
/// # Errors
/// Returns an error if the executor can't be started, and [`ErrorKind::NoDefaultLoop`] if there is
/// no policy and the feature `default-loop` is off.
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

/// Returns the loop that runs on this thread; a tokio runtime that runs here counts as one (feature
/// `tokio`).
///
/// # Errors
/// Returns [`ErrorKind::NoRunningLoop`] if none runs.
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

/// Returns the child watcher of the policy; `AutoChildWatcher` if none was set, for every policy.
///
/// # Errors
/// Returns [`ErrorKind::NotImplemented`] if the policy has no watchers, and on Windows.
///
/// ```
/// # #[cfg(unix)]
/// assert!(policy::get_child_watcher()?.is_active());
/// # Ok::<(), policy::Error>(())
/// ```
pub fn get_child_watcher() -> Result<Arc<dyn ChildWatcher>, Error> {
    get_event_loop_policy().get_child_watcher()
}

/// Sets the child watcher of the policy, and closes the previous one; `None` restores the default.
///
/// # Errors
/// Returns [`ErrorKind::NotImplemented`] if the policy has no watchers.
///
/// ```
/// policy::set_child_watcher(None)?;
/// # Ok::<(), policy::Error>(())
/// ```
pub fn set_child_watcher(watcher: impl IntoWatcher) -> Result<(), Error> {
    get_event_loop_policy().set_child_watcher(watcher.into_watcher())
}
