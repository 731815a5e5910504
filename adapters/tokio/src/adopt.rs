//! Existing runtimes, found again as the same loop.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use policy_core::EventLoop;
use policy_core::sync::Mutex;
use tokio::runtime::{Handle, Id};

use crate::event_loop::TokioLoop;
use crate::sentinel;

/// The loop of each runtime: our own, and those that were adopted.
static LOOPS: LazyLock<Mutex<HashMap<Id, Weak<TokioLoop>>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// The last answer. Weak: a worker thread must not keep its own runtime open.
    static LAST: RefCell<Option<(Id, Weak<TokioLoop>)>> = const { RefCell::new(None) };
}

/// Returns the tokio runtime of this thread as a loop: for example that of a plain
/// `#[tokio::main]`, whose code knows nothing of policies.
///
/// A runtime is one loop, for all threads and for as long as it lives. If the runtime belongs to a
/// loop of [`TokioPolicy`](crate::TokioPolicy), it is that loop. Returns `None` if there is no
/// runtime, or only one that is shutting down.
///
/// An adopted loop reports that it is running; so it can be neither run nor closed (its owner does
/// that), and it has no local tasks. It closes by itself when its runtime is dropped; to notice
/// that, it keeps one idle task there.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let event_loop = policy_tokio::adopt().expect("inside a runtime");
/// assert!(event_loop.is_running());
/// assert_eq!(event_loop.spawn(async { 6 * 7 }).await.unwrap(), 42);
/// # });
/// assert!(policy_tokio::adopt().is_none());
/// ```
pub fn adopt() -> Option<Arc<dyn EventLoop>> {
    let handle = Handle::try_current().ok()?;
    let id = handle.id();
    let last = LAST.try_with(|last| match &*last.borrow() {
        Some((of, event_loop)) if *of == id => event_loop.upgrade(),
        _ => None,
    });
    // A closed one may be of an earlier runtime: tokio promises unique ids only among
    // those that run.
    if let Some(event_loop) = last.ok().flatten().filter(is_open) {
        return Some(event_loop);
    }
    let event_loop = find_or_make(handle, id)?;
    let found = Some((id, Arc::downgrade(&event_loop)));
    drop(LAST.try_with(|last| last.replace(found)));
    Some(event_loop)
}

/// Makes the runtime `id` found as `event_loop`, which owns it.
pub(crate) fn register(id: Id, event_loop: &Arc<TokioLoop>) {
    LOOPS.lock().insert(id, Arc::downgrade(event_loop));
}

/// Forgets `event_loop`, which is being dropped.
pub(crate) fn forget(id: Id, event_loop: &TokioLoop) {
    let mut loops = LOOPS.lock();
    if loops.get(&id).is_some_and(|known| std::ptr::eq(known.as_ptr(), event_loop)) {
        loops.remove(&id);
    }
}

fn find_or_make(handle: Handle, id: Id) -> Option<Arc<TokioLoop>> {
    let (closed, made) = {
        let mut loops = LOOPS.lock();
        let closed = match loops.get(&id).and_then(Weak::upgrade) {
            Some(known) if is_open(&known) => return Some(known),
            closed => closed,
        };
        let made = TokioLoop::found(handle.clone());
        loops.insert(id, Arc::downgrade(&made));
        (closed, made)
    };
    // Outside the lock: loops that are dropped take it. A runtime that is shutting
    // down drops the task at once.
    drop(closed);
    sentinel::keep(&handle, &made);
    Some(made).filter(is_open)
}

fn is_open(event_loop: &Arc<TokioLoop>) -> bool {
    !event_loop.state().is_closed()
}
