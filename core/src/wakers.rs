//! Leaving a waker with who wakes.

use std::sync::MutexGuard;
use std::task::Waker;

/// Leaves `waker` in its place behind a lock, and lets the lock go.
///
/// To clone a waker, or to drop one, may run any code, which may come to the same lock: so
/// both are done outside of it. Returns false if a clone was made for `clone` and nothing
/// left yet: what is waited for may have come meanwhile, so that is looked at again first.
pub fn leave<S: ?Sized>(
    mut state: MutexGuard<'_, S>,
    place: impl FnOnce(&mut S) -> &mut Option<Waker>,
    clone: &mut Option<Waker>,
    waker: &Waker,
) -> bool {
    let held = place(&mut state);
    if held.as_ref().is_some_and(|held| held.will_wake(waker)) {
        return true;
    }
    let Some(ours) = clone.take() else {
        drop(state);
        *clone = Some(waker.clone());
        return false;
    };
    let former = held.replace(ours);
    drop(state);
    drop(former);
    true
}
