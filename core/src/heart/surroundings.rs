//! What a task keeps of the place where it was spawned.
//!
//! A future that needs another runtime's context on its thread is polled inside of it, by a bridge.
//! Tasks, blocking jobs and callbacks that it makes meanwhile belong to the loop, which knows
//! nothing of the bridge; so they take it along from here.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Calls its argument, once, inside of something that belongs to the thread: the context of another
/// runtime. The argument does not panic: a panic of what it calls goes on outside.
pub type Enter = fn(&mut dyn FnMut());

thread_local! {
    static HERE: Cell<Option<Enter>> = const { Cell::new(None) };
}

/// Calls `f` by `enter`. Tasks, jobs and callbacks that `f` gives to a loop run by `enter`, too, and
/// what those give to a loop. The innermost scope counts.
///
/// ```
/// use policy_core::surroundings;
/// use std::cell::Cell;
///
/// thread_local! { static INSIDE: Cell<bool> = const { Cell::new(false) } }
///
/// fn enter(f: &mut dyn FnMut()) {
///     INSIDE.set(true);
///     f();
///     INSIDE.set(false);
/// }
///
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// let task = surroundings::scope(enter, || event_loop.spawn(async { INSIDE.get() }));
/// assert!(event_loop.run_until_complete(task)?.unwrap());
/// # Ok(())
/// # }
/// ```
pub fn scope<R>(enter: Enter, f: impl FnOnce() -> R) -> R {
    let _back = Back(HERE.replace(Some(enter)));
    // Caught in here, and let go outside: what is around may swallow a panic, or abort on one.
    let (mut f, mut result) = (Some(f), Err(Box::new(()) as _));
    let mut call = || {
        if let Some(f) = f.take() {
            result = catch_unwind(AssertUnwindSafe(f));
        }
    };
    enter(&mut call);
    // Where nobody has called it: better outside than never.
    call();
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

struct Back(Option<Enter>);

impl Drop for Back {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

/// What is around this code.
#[inline]
pub(crate) fn here() -> Option<Enter> {
    HERE.get()
}

/// Takes what is around this code along with a function.
pub(crate) fn carried<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let around = here();
    move || match around {
        Some(enter) => scope(enter, f),
        None => f(),
    }
}

/// A future that is polled, and dropped, inside.
pub(crate) struct Inside<F> {
    enter: Enter,
    /// `None` once dropped.
    future: Option<F>,
}

impl<F> Inside<F> {
    pub(crate) fn new(enter: Enter, future: F) -> Self {
        Self { enter, future: Some(future) }
    }
}

impl<F: Future + Unpin> Future for Inside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { enter, future } = &mut *self;
        match future {
            Some(future) => scope(*enter, || Pin::new(future).poll(cx)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Inside<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        scope(self.enter, || drop(future));
    }
}
