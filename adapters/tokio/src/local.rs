//! What a run polls: the main future, then this thread's local tasks, which are in
//! tokio's `LocalSet`, one per loop and thread, made when the first is spawned.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use policy_core::local::LocalTable;
use policy_core::task::LocalTask;
use policy_core::{Error, ErrorKind, LoopId};
use tokio::runtime::Handle;
use tokio::task::LocalSet;

use crate::drivers::is_thread_ending;

thread_local! {
    /// How many sets this thread has: all that a loop without local tasks looks at.
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static SETS: LocalTable<Set> = const { LocalTable::new() };
    /// The loop that this thread drives, and what wakes its driver.
    static DRIVEN: RefCell<Option<(LoopId, Waker)>> = const { RefCell::new(None) };
}

/// Gives a task to this thread's set of the loop `id`, if this thread drives it.
pub(crate) fn submit(id: LoopId, handle: &Handle, task: LocalTask) -> Result<(), Error> {
    let driver = DRIVEN.try_with(|driven| match &*driven.borrow() {
        Some((driven, waker)) if *driven == id => Some(waker.clone()),
        _ => None,
    });
    let driver = driver.ok().flatten().ok_or(ErrorKind::WrongThread)?;
    if let Some(set) = find(id) {
        set.spawn(task);
        return Ok(());
    }
    // Before the table is touched for the first time: see `Set::new`.
    let set = Set::new(handle.clone());
    set.spawn(task);
    let kept = SETS.try_with(|sets| sets.get_or_insert_with(id, || set));
    drop(kept.map_err(|_| ErrorKind::WrongThread)?);
    // The set can't wake what has never polled it.
    driver.wake();
    Ok(())
}

/// Drops this thread's local tasks of the loop `id`.
pub(crate) fn remove(id: LoopId) {
    if COUNT.get() != 0 {
        drop(SETS.try_with(|sets| sets.remove(id)));
    }
}

fn find(id: LoopId) -> Option<Rc<Set>> {
    if COUNT.get() == 0 {
        return None;
    }
    SETS.try_with(|sets| sets.get(id)).ok().flatten()
}

/// The local tasks of one loop on this thread.
struct Set {
    /// `None` only while it is dropped.
    tasks: Option<LocalSet>,
    handle: Handle,
}

impl Set {
    fn new(handle: Handle) -> Self {
        let tasks = LocalSet::new();
        // A thread's destructors run from the last registered to the first, and
        // dropping a set needs tokio's thread-locals: so those come first.
        drop(tasks.enter());
        COUNT.set(COUNT.get() + 1);
        Self { tasks: Some(tasks), handle }
    }

    fn spawn(&self, task: LocalTask) {
        if let Some(tasks) = &self.tasks {
            // The task has a handle of its own; tokio's is let go.
            drop(tasks.spawn_local(task));
        }
    }

    fn poll(&self, cx: &mut Context<'_>) {
        if let Some(tasks) = &self.tasks {
            // By `run_until`, which takes the set by reference: its tasks spawn more.
            let _pending = pin!(tasks.run_until(pending::<()>())).poll(cx);
        }
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        COUNT.set(COUNT.get() - 1);
        let tasks = self.tasks.take();
        // In a thread-local's destructor a panic would end the process. Those of the
        // tasks are caught already; what is caught here is tokio's, if it finds its
        // own thread-locals gone.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let _entered = (!is_thread_ending()).then(|| self.handle.enter());
            drop(tasks);
        }));
        drop(dropped);
    }
}

/// The future that a runtime blocks on while a loop is run.
pub(crate) struct Drive<'a> {
    id: LoopId,
    main: Pin<&'a mut dyn Future<Output = ()>>,
    /// Where this run hides another of this thread, the other.
    before: Option<(LoopId, Waker)>,
    /// `None` before the first poll.
    known: Option<Known>,
}

/// A waker of tokio's, and a clone of it.
///
/// tokio's `block_on` lends a waker whose clones have another vtable at times, so
/// `will_wake` denies that they are the same, and whoever keeps one would exchange
/// it at every poll. So main is polled with a clone, always the same.
struct Known {
    lent: &'static RawWakerVTable,
    clone: Waker,
}

impl Known {
    fn new(waker: &Waker) -> Self {
        Self { lent: waker.vtable(), clone: waker.clone() }
    }

    /// The clone keeps alive what its data points to, so equal data is the same.
    fn is(&self, waker: &Waker) -> bool {
        self.clone.data() == waker.data() && ptr::eq(self.lent, waker.vtable())
    }
}

impl<'a> Drive<'a> {
    pub(crate) fn new(id: LoopId, main: Pin<&'a mut dyn Future<Output = ()>>) -> Self {
        Self { id, main, before: None, known: None }
    }

    pub(crate) fn was_polled(&self) -> bool {
        self.known.is_some()
    }

    /// Puts the driver's waker where local tasks find it.
    #[cold]
    fn register(&mut self, waker: &Waker) {
        let known = Known::new(waker);
        let now = Some((self.id, known.clone.clone()));
        let before = DRIVEN.try_with(|driven| driven.replace(now)).ok().flatten();
        // Of this run's own wakers none is to be put back.
        if self.known.replace(known).is_none() {
            self.before = before;
        }
    }
}

impl Future for Drive<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.known.as_ref().is_some_and(|known| known.is(cx.waker())) {
            self.register(cx.waker());
        }
        let Self { id, main, known, .. } = &mut *self;
        let mut cx = Context::from_waker(known.as_ref().map_or(cx.waker(), |known| &known.clone));
        if main.as_mut().poll(&mut cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(set) = find(*id) {
            set.poll(&mut cx);
        }
        Poll::Pending
    }
}

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        if self.known.is_some() {
            let before = self.before.take();
            drop(DRIVEN.try_with(|driven| driven.replace(before)));
        }
    }
}
