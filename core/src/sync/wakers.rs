//! Storing a waker for the code that wakes.

use std::sync::MutexGuard;
use std::task::Waker;

/// Stores `waker` behind a lock, and releases the lock.
///
/// Cloning or dropping a waker may run any code, which may take the same lock: so both happen
/// outside the lock. Returns false if it had to clone the waker for `clone` and has not stored it
/// yet: the awaited event may have happened meanwhile, so check for it again first.
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
