//! The process-wide slot of the policy, and nothing else.
//!
//! The policy is read only when a loop or a watcher is made, so a lock is enough.
//! Nothing caches it: a policy that was replaced is gone for everybody at once.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock};

use crate::EventLoopPolicy;

static POLICY: RwLock<Option<Arc<dyn EventLoopPolicy>>> = RwLock::new(None);

thread_local! {
    /// The policies of [`scoped`] calls on this thread, which hide the process's.
    static SCOPED: RefCell<Vec<Arc<dyn EventLoopPolicy>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the policy: that of the innermost [`scoped`] call on this thread, else
/// the process's, made by `default` if there is none; made once, however many
/// threads ask.
///
/// `default` is called with the slot locked: it must not ask for the policy.
///
/// ```
/// use policy_core::{EventLoopPolicy, registry};
/// use std::sync::Arc;
///
/// struct Mine;
/// impl EventLoopPolicy for Mine {}
///
/// let first = registry::get_or_init(|| Arc::new(Mine));
/// let again = registry::get_or_init(|| unreachable!("there is one"));
/// assert!(Arc::ptr_eq(&first, &again));
/// ```
pub fn get_or_init(default: impl FnOnce() -> Arc<dyn EventLoopPolicy>) -> Arc<dyn EventLoopPolicy> {
    if let Ok(Some(scoped)) = SCOPED.try_with(|scoped| scoped.borrow().last().cloned()) {
        return scoped;
    }
    if let Some(policy) = &*POLICY.read().unwrap_or_else(PoisonError::into_inner) {
        return policy.clone();
    }
    POLICY.write().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(default).clone()
}

/// Sets the process's policy and returns the one before. `None` makes the next
/// [`get_or_init`] make another default.
///
/// ```
/// use policy_core::{EventLoopPolicy, registry};
/// use std::sync::Arc;
///
/// struct Mine;
/// impl EventLoopPolicy for Mine {}
///
/// let former = registry::replace(Some(Arc::new(Mine)));
/// assert!(former.is_none());
/// assert!(registry::replace(None).is_some());
/// ```
pub fn replace(policy: Option<Arc<dyn EventLoopPolicy>>) -> Option<Arc<dyn EventLoopPolicy>> {
    // The former one is dropped by the caller, outside the lock: dropping a policy
    // drops its loops, which may run user code that asks for the policy.
    std::mem::replace(&mut *POLICY.write().unwrap_or_else(PoisonError::into_inner), policy)
}

/// Calls `f` with `policy` in place of the process's, on this thread only. The
/// policy before is back when `f` returns or panics.
///
/// ```
/// use policy_core::{EventLoopPolicy, registry};
/// use std::sync::Arc;
///
/// struct Mine;
/// impl EventLoopPolicy for Mine {}
///
/// let policy: Arc<dyn EventLoopPolicy> = Arc::new(Mine);
/// registry::scoped(policy.clone(), || {
///     assert!(Arc::ptr_eq(&registry::get_or_init(|| unreachable!()), &policy));
/// });
/// ```
pub fn scoped<R>(policy: Arc<dyn EventLoopPolicy>, f: impl FnOnce() -> R) -> R {
    struct Pop(bool);
    impl Drop for Pop {
        fn drop(&mut self) {
            if self.0 {
                // Out of the borrow first: see `replace`.
                let popped = SCOPED.try_with(|scoped| scoped.borrow_mut().pop());
                drop(popped);
            }
        }
    }
    let _pop = Pop(SCOPED.try_with(|scoped| scoped.borrow_mut().push(policy)).is_ok());
    f()
}
