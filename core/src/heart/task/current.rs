//! The task that runs on this thread, and what happens when it ends.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::sync::{Mutex, quietly};

/// The identity of a task, never reused within a process.
///
/// ```
/// use policy_core::task;
///
/// let (_a, first) = task::new(async {});
/// let (_b, second) = task::new(async {});
/// assert_ne!(first.id(), second.id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// Ids are handed to threads in blocks, so that spawning does not bounce a cache
/// line between cores.
const BLOCK: u64 = 256;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    static CURRENT: Cell<Option<Id>> = const { Cell::new(None) };
}

impl Id {
    #[inline]
    pub(super) fn next() -> Self {
        let id = IDS.try_with(|ids| {
            let (mut next, mut end) = ids.get();
            if next == end {
                next = NEXT_BLOCK.fetch_add(BLOCK, Relaxed);
                end = next + BLOCK;
            }
            ids.set((next + 1, end));
            next
        });
        // A thread that is ending has no block any more: blocks may be of any size.
        let id = id.unwrap_or_else(|_| NEXT_BLOCK.fetch_add(1, Relaxed));
        // Blocks begin at 1 and 2⁶⁴ tasks take centuries.
        Self(NonZeroU64::new(id).unwrap_or(NonZeroU64::MAX))
    }
}

impl Id {
    /// Returns a number to spread tasks by.
    pub(crate) fn as_usize(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

/// Returns the task that runs on this thread, if any (asyncio's `current_task`).
///
/// ```
/// assert!(policy_core::task::try_id().is_none());
/// ```
pub fn try_id() -> Option<Id> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Runs `f` as the task `id`.
#[inline]
pub(super) fn scope<R>(id: Id, f: impl FnOnce() -> R) -> R {
    with(Some(id), f)
}

/// Runs `f` as no task, though a task calls it.
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    with(None, f)
}

#[inline]
fn with<R>(id: Option<Id>, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Id>);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            let _ending = CURRENT.try_with(|current| current.set(self.0));
        }
    }
    let outer = CURRENT.try_with(|current| current.replace(id));
    let _restore = Restore(outer.ok().flatten());
    f()
}

type Hook = Box<dyn FnOnce() + Send>;

/// How many tasks have hooks: nearly always none, and then a task that ends pays
/// one relaxed load. A task sees its own hooks: its executor orders its polls.
static HOOKED: AtomicUsize = AtomicUsize::new(0);
static HOOKS: Mutex<Option<HashMap<Id, Vec<Hook>>>> = Mutex::new(None);

/// Calls `hook` when the task `id`, which is the current one, has ended.
pub(crate) fn on_end(id: Id, hook: Hook) {
    let mut hooks = HOOKS.lock();
    let of_task = hooks.get_or_insert_default().entry(id).or_insert_with(|| {
        HOOKED.fetch_add(1, Relaxed);
        Vec::new()
    });
    of_task.push(hook);
}

#[inline]
pub(super) fn ended(id: Id) {
    if HOOKED.load(Relaxed) != 0 {
        call_hooks(id);
    }
}

#[cold]
fn call_hooks(id: Id) {
    let of_task = {
        let mut hooks = HOOKS.lock();
        let of_task = hooks.as_mut().and_then(|hooks| hooks.remove(&id));
        if of_task.is_some() {
            HOOKED.fetch_sub(1, Relaxed);
        }
        of_task
    };
    // Outside the lock: a hook drops a loop, which may run user code.
    // Whoever awaits the task is still to be told: a panic must not stop that.
    for hook in of_task.into_iter().flatten() {
        quietly(hook);
    }
}
