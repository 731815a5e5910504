//! Which loop runs this code: a stack per thread.
//!
//! A loop is *entered* around the polls that it makes, never across an `.await`.
//! How to choose:
//!
//! - [`scope`]: around a call, by reference; costs a push and a pop. Use it to drive a loop and to
//!   poll a task.
//! - [`visiting_scope`]: around a poll that another executor makes.
//! - [`enter_worker`]: once, at the start of a thread that belongs to a loop.
//! - [`enter`]: a guard, for code that can't be put into a closure.
//!
//! If the thread-local was already destroyed, the answer is "no loop", not a panic: a destructor
//! that runs while its thread ends may call anything here.
#![allow(unsafe_code, reason = "a scope lends its loop to the stack for the time of a call")]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use crate::{Error, ErrorKind, EventLoop, foreign};

thread_local! {
    static STACK: Stack = const { Stack { entries: RefCell::new(Vec::new()), next: Cell::new(0) } };
    /// The innermost entry, if it is a scope: what every spawn on the thread of a
    /// loop looks up. Apart from the stack, because a thread-local without a
    /// destructor is read by one instruction.
    static TOP: Cell<Option<Top>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Top {
    lent: NonNull<Arc<dyn EventLoop>>,
    role: Role,
}

struct Stack {
    entries: RefCell<Vec<Entry>>,
    next: Cell<u64>,
}

struct Entry {
    key: u64,
    lent: Lent,
    role: Role,
}

impl Entry {
    fn is_of(&self, event_loop: &Arc<dyn EventLoop>) -> bool {
        let of = match &self.lent {
            // SAFETY: the call of `scope` that lends the loop has not returned: its guard
            // takes the entry off the stack before it does.
            Lent::Scoped(lent) => Arc::as_ptr(unsafe { lent.as_ref() }),
            Lent::Owned(owned) => Arc::as_ptr(owned),
            Lent::Worker(weak) => weak.as_ptr(),
        };
        std::ptr::addr_eq(of, Arc::as_ptr(event_loop))
    }
}

fn is_same(one: &Arc<dyn EventLoop>, other: &Arc<dyn EventLoop>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

enum Lent {
    /// Lent by a [`scope`] that has not returned.
    Scoped(NonNull<Arc<dyn EventLoop>>),
    Owned(Arc<dyn EventLoop>),
    /// A worker must not keep its loop open: dropping the last handle closes it.
    Worker(Weak<dyn EventLoop>),
}

/// What this thread is to the loop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It polls the loop's tasks: this is the running loop.
    Runs,
    /// It polls a future that belongs to the loop, in place of the loop: another executor
    /// does. Ambient calls find the loop, and it must not block; what happens to the loop
    /// does not happen to the future.
    Visits,
    /// It has entered the loop, and belongs to whoever it did before: ambient calls find
    /// the loop, and it may run that loop or another.
    Enters,
    /// It runs a blocking job of the loop: ambient calls find the loop, yet no
    /// loop runs here (asyncio: an executor's threads see no running loop), so
    /// that a job may run a loop of its own.
    Blocks,
}

/// Calls `f` with `event_loop` as the running loop of this thread.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
///
/// context::scope(&event_loop, || assert!(context::running().is_some()));
/// # }
/// ```
pub fn scope<R>(event_loop: &Arc<dyn EventLoop>, f: impl FnOnce() -> R) -> R {
    let _guard = push(Lent::Scoped(NonNull::from(event_loop)), Role::Runs);
    f()
}

/// Like [`scope`], for a future of `event_loop` that another executor polls. The end of the loop does
/// not drop it, so what it waits for has to wake it.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
///
/// context::visiting_scope(&event_loop, || {
///     assert!(context::is_polling() && !context::is_polled_by(&event_loop));
/// });
/// # }
/// ```
pub fn visiting_scope<R>(event_loop: &Arc<dyn EventLoop>, f: impl FnOnce() -> R) -> R {
    // Inside of its own run it is at home.
    let role = if is_run_below(event_loop) { Role::Runs } else { Role::Visits };
    let _guard = push(Lent::Scoped(NonNull::from(event_loop)), role);
    f()
}

/// Returns true if `event_loop` itself polls this code, so that it drops what is polled when it
/// ends.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
///
/// assert!(!context::is_polled_by(&event_loop));
/// context::scope(&event_loop, || assert!(context::is_polled_by(&event_loop)));
/// # }
/// ```
pub fn is_polled_by(event_loop: &Arc<dyn EventLoop>) -> bool {
    if let Some(top) = TOP.get() {
        // SAFETY: as in `with`.
        let lent = unsafe { top.lent.as_ref() };
        return top.role == Role::Runs && is_same(lent, event_loop);
    }
    let is_last = |entries: &[Entry]| {
        entries.last().is_some_and(|last| last.role == Role::Runs && last.is_of(event_loop))
    };
    STACK.try_with(|stack| is_last(&stack.entries.borrow())).unwrap_or(false)
}

fn is_run_below(event_loop: &Arc<dyn EventLoop>) -> bool {
    let runs = |entry: &Entry| entry.role == Role::Runs && entry.is_of(event_loop);
    STACK.try_with(|stack| stack.entries.borrow().iter().any(runs)).unwrap_or(false)
}

/// Calls `f` as a blocking job of `event_loop`.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
/// use std::sync::Arc;
///
/// context::blocking_scope(Arc::downgrade(&event_loop), || {
///     assert!(context::running().is_none());
///     assert!(context::with_ambient(|_| ()).is_some());
/// });
/// # }
/// ```
pub fn blocking_scope<R>(event_loop: Weak<dyn EventLoop>, f: impl FnOnce() -> R) -> R {
    let _guard = push(Lent::Worker(event_loop), Role::Blocks);
    f()
}

/// Makes `event_loop` the running loop of this thread, until the guard is dropped.
///
/// Guards may be dropped in any order: each removes its own entry. Entering does not bind the
/// thread to the loop: it may block, and run a loop.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// let guard = policy_core::context::enter(event_loop);
/// assert!(policy_core::context::running().is_some());
/// drop(guard);
/// assert!(policy_core::context::running().is_none());
/// # }
/// ```
#[must_use = "the loop is left when the guard is dropped"]
pub fn enter(event_loop: Arc<dyn EventLoop>) -> EnterGuard {
    push(Lent::Owned(event_loop), Role::Enters)
}

/// Makes `event_loop` the running loop of this thread, which is one of its workers. Does not keep
/// the loop open.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
/// use std::sync::Arc;
///
/// let worker_of = Arc::downgrade(&event_loop);
/// std::thread::spawn(|| {
///     let _guard = context::enter_worker(worker_of);
///     // … polls the loop's tasks …
/// });
/// # }
/// ```
#[must_use = "the loop is left when the guard is dropped"]
pub fn enter_worker(event_loop: Weak<dyn EventLoop>) -> EnterGuard {
    push(Lent::Worker(event_loop), Role::Runs)
}

/// Leaves a loop when it is dropped. Stays on its thread.
///
/// ```compile_fail
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// let guard = policy_core::context::enter(event_loop);
/// std::thread::spawn(move || drop(guard)); // it belongs to this thread
/// # }
/// ```
#[derive(Debug)]
pub struct EnterGuard {
    /// `None`: the thread is ending, nothing was entered.
    key: Option<u64>,
    _stays_here: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let left = STACK.try_with(|stack| {
            let mut entries = stack.entries.borrow_mut();
            // Its own entry, not the last: guards may go in any order.
            let at = entries.iter().rposition(|entry| entry.key == key)?;
            let left = entries.remove(at);
            set_top(&entries);
            Some(left)
        });
        // Dropped after the borrow ends: dropping a loop may run user code that
        // asks for the running loop again.
        drop(left);
    }
}

fn push(lent: Lent, role: Role) -> EnterGuard {
    let mut lent = Some(lent);
    let key = STACK.try_with(|stack| {
        let key = stack.next.get();
        stack.next.set(key.wrapping_add(1));
        let lent = lent.take()?;
        let mut entries = stack.entries.borrow_mut();
        entries.push(Entry { key, lent, role });
        set_top(&entries);
        Some(key)
    });
    EnterGuard { key: key.ok().flatten(), _stays_here: PhantomData }
}

/// Keeps [`TOP`] what the stack says.
fn set_top(entries: &[Entry]) {
    TOP.set(match entries.last() {
        Some(Entry {
            lent: Lent::Scoped(lent), role: role @ (Role::Runs | Role::Visits), ..
        }) => Some(Top { lent: *lent, role: *role }),
        _ => None,
    });
}

/// Calls `f` with the running loop of this thread; returns `None` if no loop runs here.
///
/// Use it on hot paths: it clones nothing if a [`scope`] lends the loop.
///
/// ```
/// use policy_core::context;
///
/// let name = context::with_running(|event_loop| event_loop.name().to_string());
/// assert_eq!(name, None); // nothing runs here
/// ```
#[inline]
pub fn with_running<R>(f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> Option<R> {
    with(|_| true, |role| role != Role::Blocks, f)
}

/// Calls `f` with the loop that ambient calls on this thread use: the running loop, or the loop
/// whose blocking job this is.
///
/// ```
/// use policy_core::context;
///
/// assert!(context::with_ambient(|event_loop| event_loop.state().id()).is_none());
/// ```
#[inline]
pub fn with_ambient<R>(f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> Option<R> {
    with(|_| true, |_| true, f)
}

/// Calls `f` with the loop that polls this code: one that was only entered does not.
fn with_polling<R>(f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> Option<R> {
    with(|role| role != Role::Enters, |role| role != Role::Blocks, f)
}

/// Returns true if a loop polls this code, so that it must not block. A loop that was only entered
/// does not poll it.
///
/// ```
/// # fn example(event_loop: std::sync::Arc<dyn policy_core::EventLoop>) {
/// use policy_core::context;
///
/// let entered = context::enter(event_loop.clone());
/// assert!(context::running().is_some() && !context::is_polling());
/// context::scope(&event_loop, || assert!(context::is_polling()));
/// # drop(entered);
/// # }
/// ```
pub fn is_polling() -> bool {
    with_polling(|_| ()).is_some()
}

/// The innermost entry that `counts` decides, if it is `wanted`.
#[inline]
fn with<R>(
    counts: fn(Role) -> bool,
    wanted: fn(Role) -> bool,
    f: impl FnOnce(&Arc<dyn EventLoop>) -> R,
) -> Option<R> {
    if let Some(top) = TOP.get() {
        // SAFETY: the call of `scope` that lends the loop is below us on this thread
        // and has not returned: its guard takes the entry off the stack, and off
        // `TOP`, before it does. It can't return before `f` does.
        return Some(f(unsafe { top.lent.as_ref() }));
    }
    // Outside the borrow of the stack: `f` may enter and leave loops.
    match find(counts, wanted)? {
        // SAFETY: as above; the entry was on the stack just now.
        Found::Scoped(lent) => Some(f(unsafe { lent.as_ref() })),
        Found::Held(event_loop) => Some(f(&event_loop)),
    }
}

fn find(counts: fn(Role) -> bool, wanted: fn(Role) -> bool) -> Option<Found> {
    let found = STACK.try_with(|stack| {
        let entries = stack.entries.borrow();
        let entry = entries.iter().rev().find(|entry| counts(entry.role))?;
        // Only the innermost decides: a job that blocks hides the loop below.
        if !wanted(entry.role) {
            return None;
        }
        match &entry.lent {
            Lent::Scoped(lent) => Some(Found::Scoped(*lent)),
            Lent::Owned(owned) => Some(Found::Held(owned.clone())),
            Lent::Worker(weak) => weak.upgrade().map(Found::Held),
        }
    });
    found.ok()?
}

enum Found {
    Scoped(NonNull<Arc<dyn EventLoop>>),
    Held(Arc<dyn EventLoop>),
}

/// Returns the running loop of this thread.
///
/// ```
/// assert!(policy_core::context::running().is_none());
/// ```
pub fn running() -> Option<Arc<dyn EventLoop>> {
    with_running(Arc::clone)
}

/// Checks that `event_loop` may be run on this thread.
///
/// # Errors
/// [`ErrorKind::AlreadyRunning`] or [`ErrorKind::OtherLoopRunning`].
pub(crate) fn refuse_nesting(event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
    match with_polling(|running| running.state().id() == event_loop.state().id()) {
        // Or the very loop that stands for the runtime.
        None if foreign::is_polling() && event_loop.is_running() => {
            Err(ErrorKind::AlreadyRunning.into())
        }
        None if foreign::is_polling() => Err(Error::new(
            ErrorKind::OtherLoopRunning,
            "another runtime is running this code, and a loop can't be run inside it; `.await` the future there, or run this loop on a thread of its own",
        )),
        None => Ok(()),
        Some(true) => Err(ErrorKind::AlreadyRunning.into()),
        Some(false) => Err(ErrorKind::OtherLoopRunning.into()),
    }
}
