//! Locks that a panic does not close.

use std::fmt;
use std::sync::{self, LockResult, TryLockError};
use std::time::Duration;

pub use std::sync::MutexGuard;

/// std's, which can be locked after a panic, too: what ours guard is whole between any two
/// statements, and what a panic of somebody else's code leaves is for everybody else as it was.
#[derive(Default)]
pub struct Mutex<T: ?Sized>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub fn into_inner(self) -> T {
        whole(self.0.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        whole(self.0.lock())
    }

    /// Locks unless somebody else has it: in a child of `fork`, perhaps for ever.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub fn get_mut(&mut self) -> &mut T {
        whole(self.0.get_mut())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// std's, for the locks above.
#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

impl Condvar {
    pub const fn new() -> Self {
        Self(sync::Condvar::new())
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits while `waits` is true.
    pub fn wait<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        waits: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        whole(self.0.wait_while(guard, waits))
    }

    /// Waits while `waits` is true, and no longer than `limit`; one that no clock can hold is
    /// none. Returns true, too, if `waits` no longer is.
    pub fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
        waits: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, bool) {
        let (guard, waited) = whole(self.0.wait_timeout_while(guard, limit, waits));
        (guard, !waited.timed_out())
    }
}

/// Takes what a lock guards, also after a panic.
#[inline]
pub(crate) fn whole<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(sync::PoisonError::into_inner)
}
