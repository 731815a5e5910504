//! The process-wide slot of the policy, and nothing else.
//!
//! The policy is read only when a loop or a watcher is created, so a lock is enough. Nothing caches
//! it: once a policy is replaced, no caller sees it any more.

use std::cell::RefCell;
use std::sync::{Arc, RwLock};

use crate::EventLoopPolicy;
use crate::sync::whole;

static POLICY: RwLock<Option<Arc<dyn EventLoopPolicy>>> = RwLock::new(None);

thread_local! {
    /// The policies of [`scoped`] calls on this thread, which hide the process's.
    static SCOPED: RefCell<Vec<Arc<dyn EventLoopPolicy>>> = const { RefCell::new(Vec::new()) };
}

/// Returns the policy: that of the innermost [`scoped`] call on this thread, else the process's.
/// Calls `default` if there is none, once, however many threads call this.
///
/// `default` is called with the slot locked: it must not read the policy.
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
    if let Some(policy) = &*whole(POLICY.read()) {
        return policy.clone();
    }
    whole(POLICY.write()).get_or_insert_with(default).clone()
}

/// Sets the process's policy and returns the previous one. After `None` the next [`get_or_init`]
/// creates a default again.
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
    std::mem::replace(&mut *whole(POLICY.write()), policy)
}

/// Calls `f` with `policy` in place of the process's, on this thread only. Restores the previous
/// policy when `f` returns or panics.
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
