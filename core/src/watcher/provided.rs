//! The watcher that a policy has while nobody has set one. This crate has none: the
//! facade does.

use std::sync::{Arc, OnceLock};

use super::ChildWatcher;
use crate::{Error, ErrorKind};

/// Makes a watcher.
type Make = fn() -> Result<Arc<dyn ChildWatcher>, Error>;

static MAKE: OnceLock<Make> = OnceLock::new();

/// Says how the default watcher is made, once per process. Returns false if somebody was
/// first.
///
/// From then on [`ContextPolicy`](crate::ContextPolicy) makes one when it is asked for its
/// watcher and has none. The crate `policy` calls this wherever a program may begin.
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
