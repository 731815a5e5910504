//! The watcher that a policy has until one is set. This crate has none; the facade provides it.

use std::sync::{Arc, OnceLock};

use crate::{ChildWatcher, Error, ErrorKind};

/// Makes a watcher.
type Make = fn() -> Result<Arc<dyn ChildWatcher>, Error>;

static MAKE: OnceLock<Make> = OnceLock::new();

/// Sets the function that makes the default watcher, once per process. Returns false if it was set
/// before.
///
/// From then on a [`ContextPolicy`](crate::ContextPolicy) that has no watcher calls it to make one.
/// The crate `policy` calls this wherever a program may begin.
///
/// ```
/// use policy_core::{Context, ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy};
/// use std::sync::Arc;
///
/// let none = || -> Result<Arc<dyn EventLoop>, Error> { unreachable!() };
/// let policy = ContextPolicy::new(none, Context::process());
/// assert_eq!(policy.get_child_watcher().unwrap_err().kind(), ErrorKind::NoChildWatcher);
/// policy_core::provide_child_watcher(|| Err(ErrorKind::LimitReached.into()));
/// assert_eq!(policy.get_child_watcher().unwrap_err().kind(), ErrorKind::LimitReached);
/// ```
pub fn provide_child_watcher(make: Make) -> bool {
    MAKE.set(make).is_ok()
}

/// # Errors
/// [`ErrorKind::NoChildWatcher`], or what the maker gives.
pub(crate) fn make_provided() -> Result<Arc<dyn ChildWatcher>, Error> {
    MAKE.get().ok_or(ErrorKind::NoChildWatcher)?()
}
