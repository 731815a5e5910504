//! Tasks that stay on the thread that drives their loop.
//!
//! A loop has one part per thread that drives it. The part lives in a
//! thread-local, so nothing of it is ever touched from elsewhere; its tasks wait
//! there between runs, and go when the loop is closed on that thread, or when the
//! thread ends.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use async_executor::LocalExecutor;
use policy_core::local::LocalTable;
use policy_core::task::LocalTask;
use policy_core::{Error, ErrorKind, LoopId};

thread_local! {
    static PARTS: LocalTable<Part> = const { LocalTable::new() };
}

struct Part {
    executor: LocalExecutor<'static>,
    /// Whether it ever had a task: until then a run pays nothing for it.
    used: Cell<bool>,
    /// Wakes whoever drives the loop here; `None` while nobody does.
    driver: RefCell<Option<Waker>>,
}

/// Calls `block_on` with a future that is `main`, and polls this thread's local
/// tasks of the loop `id` beside it.
pub(crate) fn drive<R>(
    id: LoopId,
    main: Pin<&mut dyn Future<Output = ()>>,
    block_on: impl FnOnce(Pin<&mut dyn Future<Output = ()>>) -> R,
) -> R {
    // On a thread that is ending there is no part, and all else works.
    let Ok(part) = PARTS.try_with(|parts| parts.get_or_insert_with(id, Part::new)) else {
        return block_on(main);
    };
    // Before `driven`, so that it is left after `driven` has let go of the part.
    let _leave = Leave { id, part: &part };
    let driven = pin!(Driven { main, part: &part, tasks: None });
    block_on(driven)
}

/// Gives a task to this thread's part of the loop `id`.
///
/// # Errors
/// [`ErrorKind::WrongThread`], unless this thread drives the loop; the task is
/// dropped.
///
/// ```
/// use policy_core::{ErrorKind, LoopKind, LoopState, task};
///
/// let state = LoopState::new("example", LoopKind::Selector);
/// let (task, _handle) = task::new_local(async {});
/// let error = policy_async_io::local::submit(state.id(), task).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::WrongThread);
/// ```
pub fn submit(id: LoopId, task: LocalTask) -> Result<(), Error> {
    let part = PARTS.try_with(|parts| parts.get(id)).ok().flatten();
    let Some((part, driver)) = part.and_then(|part| {
        let driver = part.driver.borrow().clone()?;
        Some((part, driver))
    }) else {
        return Err(ErrorKind::WrongThread.into());
    };
    part.executor.spawn(task).detach();
    if !part.used.replace(true) {
        // The first: the driver does not poll the executor yet. From the second
        // on, the executor wakes it.
        driver.wake();
    }
    Ok(())
}

/// Drops this thread's tasks of the loop `id`. Those of other threads go when
/// their threads end: nobody else may touch them.
///
/// ```
/// use policy_core::{LoopKind, LoopState};
///
/// policy_async_io::local::close(LoopState::new("example", LoopKind::Selector).id());
/// ```
pub fn close(id: LoopId) {
    let part = PARTS.try_with(|parts| parts.remove(id));
    // Outside the table: destructors of tasks are user code.
    drop(part);
}

impl Part {
    fn new() -> Self {
        Self { executor: LocalExecutor::new(), used: Cell::new(false), driver: RefCell::new(None) }
    }

    fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        match &mut *driver {
            Some(known) => known.clone_from(waker),
            None => *driver = Some(waker.clone()),
        }
    }
}

/// What an executor sees while it drives the loop.
struct Driven<'a> {
    main: Pin<&'a mut dyn Future<Output = ()>>,
    part: &'a Part,
    tasks: Option<Pin<Box<dyn Future<Output = ()> + 'a>>>,
}

impl Future for Driven<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let part = this.part;
        part.driven_by(cx.waker());
        if this.main.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if part.used.get() {
            let tasks =
                this.tasks.get_or_insert_with(|| Box::pin(part.executor.run(pending::<()>())));
            let _never = tasks.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

/// Leaves the part, however the run ends; forgets it, unless tasks wait in it.
struct Leave<'a> {
    id: LoopId,
    part: &'a Part,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let driver = self.part.driver.take();
        drop(driver);
        if !self.part.used.get() || self.part.executor.is_empty() {
            close(self.id);
        }
    }
}
