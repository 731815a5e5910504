//! The part of a loop that one thread has: compio's runtime.
//!
//! It lives in a thread-local, so nothing of it is ever touched from elsewhere. It is
//! made by the first run and goes when the loop is closed on that thread, when that
//! thread runs another loop after it was closed elsewhere, or when the thread ends:
//! then the loop may settle on another.

use std::cell::RefCell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
#[cfg(any(target_os = "linux", windows))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Waker;
#[cfg(any(target_os = "linux", windows))]
use std::time::Duration;
use std::time::Instant;

use compio_runtime::Runtime;
use policy_core::local::Generation;
use policy_core::{Error, ErrorKind, LoopId};

#[cfg(any(target_os = "linux", windows))]
use crate::proactor::Submission;
use crate::shared::Shared;
use crate::{Driver, driver};

/// How long a loop that goes waits for the kernel, which needs microseconds but for a
/// disk.
#[cfg(any(target_os = "linux", windows))]
const MOMENT: Duration = Duration::from_secs(1);

thread_local! {
    /// The parts of this thread.
    static PARTS: RefCell<Vec<Rc<Part>>> = const { RefCell::new(Vec::new()) };
    /// The one that this thread drives.
    static DRIVEN: RefCell<Option<Rc<Part>>> = const { RefCell::new(None) };
}

/// Tells runtimes apart: never the same twice.
#[cfg(any(target_os = "linux", windows))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(u64);

#[cfg(any(target_os = "linux", windows))]
impl Number {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) struct Part {
    pub(crate) shared: Arc<Shared>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    /// compio's own, which wakes its driver.
    pub(crate) driver: Waker,
    #[cfg(unix)]
    pub(crate) lookout: crate::selector::Lookout,
    /// Has a clone in each operation that the system has memory of.
    #[cfg(any(target_os = "linux", windows))]
    alive: Rc<Number>,
    generation: Generation,
}

/// Calls `run` with this thread's part of the loop, made if there is none.
///
/// # Errors
/// [`ErrorKind::WrongThread`], if another thread has it, or this one is ending;
/// [`ErrorKind::Io`], if the system gives no driver.
pub(crate) fn drive(
    shared: &Arc<Shared>,
    asked: Option<Driver>,
    run: impl FnOnce(&Part, &Runtime),
) -> Result<(), Error> {
    let part = part(shared, asked)?;
    let Some(runtime) = &part.runtime else {
        return Err(ErrorKind::LoopClosed.into());
    };
    let leave = Leave::enter(&part)?;
    runtime.enter(|| run(&part, runtime));
    drop(leave);
    Ok(())
}

/// Prepares this thread's part of the loop, made if there is none, for a host. Returns what
/// that has to watch.
///
/// # Errors
/// As [`drive`].
#[cfg(unix)]
pub(crate) fn become_guest(
    shared: &Arc<Shared>,
    asked: Option<Driver>,
) -> Result<std::os::fd::OwnedFd, Error> {
    let part = part(shared, asked)?;
    let Some(runtime) = &part.runtime else {
        return Err(ErrorKind::LoopClosed.into());
    };
    let descriptor = crate::guest::descriptor(runtime)?;
    shared.is_guest.store(true, Ordering::Relaxed);
    Ok(descriptor)
}

/// Returns when compio's own timers want their turn, if this thread has the runtime.
#[cfg(unix)]
pub(crate) fn own_timer(id: LoopId) -> Option<Instant> {
    let part =
        PARTS.try_with(|parts| parts.borrow().iter().find(|part| part.shared.id == id).cloned());
    let part = part.ok().flatten()?;
    let timer = part.runtime.as_ref().and_then(Runtime::current_timeout);
    let waits = [timer, part.lookout.retry(&part.shared)];
    Instant::now().checked_add(waits.into_iter().flatten().min()?)
}

fn part(shared: &Arc<Shared>, asked: Option<Driver>) -> Result<Rc<Part>, Error> {
    let (found, closed) = PARTS
        .try_with(|parts| {
            let mut parts = parts.borrow_mut();
            // Loops that were closed elsewhere, and left their runtimes here.
            let closed: Vec<_> = parts.extract_if(.., |part| part.shared.is_closed()).collect();
            (parts.iter().find(|part| part.shared.id == shared.id).cloned(), closed)
        })
        .map_err(|_| ending())?;
    // Outside the borrow: destructors of tasks are user code.
    drop(closed);
    if let Some(part) = found {
        return Ok(part);
    }
    shared.settle()?;
    let runtime = start(shared, asked).inspect_err(|_| shared.leave())?;
    shared.started(Driver::of(runtime.driver_type()), runtime.waker());
    // A thread's destructors run from the last registered to the first, and the loop's
    // tasks of this thread need its runtime: so theirs is registered before.
    policy_core::local::cancel(shared.id);
    let part = Rc::new(Part::new(shared.clone(), runtime));
    PARTS.try_with(|parts| parts.borrow_mut().push(part.clone())).map_err(|_| ending())?;
    Ok(part)
}

fn start(shared: &Shared, asked: Option<Driver>) -> Result<Runtime, Error> {
    // Now, and not when the first descriptor is registered: who runs the loop is told
    // when there are no descriptors left for it, not a task in the middle of its work.
    #[cfg(unix)]
    shared.reactor.start()?;
    #[cfg(not(unix))]
    let _ = shared;
    driver::start(asked)
}

fn ending() -> Error {
    Error::new(
        ErrorKind::WrongThread,
        "this thread is ending and can't run an event loop any more; run it on another thread",
    )
}

/// Drops this thread's part of the loop `id`. Others have none while that lives.
pub(crate) fn remove(id: LoopId) {
    let removed = PARTS.try_with(|parts| {
        let mut parts = parts.borrow_mut();
        let at = parts.iter().position(|part| part.shared.id == id)?;
        Some(parts.swap_remove(at))
    });
    // Outside the borrow: destructors of tasks are user code.
    drop(removed);
}

/// Begins an operation, if this thread drives the loop; else gives it back.
#[cfg(any(target_os = "linux", windows))]
pub(crate) fn perform(id: LoopId, submission: Submission) -> Option<Submission> {
    with_driven(id, submission, |part, submission| part.perform(submission))
}

pub(crate) fn is_driven_here(id: LoopId) -> bool {
    with_driven(id, (), |_, ()| ()).is_none()
}

/// Calls `f` with `given` if this thread drives the loop `id`; else gives it back.
fn with_driven<T>(id: LoopId, given: T, f: impl FnOnce(&Part, T)) -> Option<T> {
    let mut given = Some(given);
    // On a thread that is ending nothing is driven.
    let _ending = DRIVEN.try_with(|driven| {
        if let Some(part) = driven.borrow().as_deref().filter(|part| part.shared.id == id)
            && let Some(given) = given.take()
        {
            f(part, given);
        }
    });
    given
}

impl Part {
    fn new(shared: Arc<Shared>, runtime: Runtime) -> Self {
        let driver = runtime.waker();
        Self {
            shared,
            runtime: Some(runtime),
            driver,
            #[cfg(unix)]
            lookout: crate::selector::Lookout::default(),
            #[cfg(any(target_os = "linux", windows))]
            alive: Rc::new(Number::next()),
            generation: Generation::current(),
        }
    }

    /// Begins an operation, in a task of its own. Called by the thread that drives, with
    /// the loop entered.
    #[cfg(any(target_os = "linux", windows))]
    fn perform(&self, submission: Submission) {
        match &self.runtime {
            Some(runtime) => submission.begin(runtime, &self.alive),
            None => submission.refuse(ErrorKind::LoopClosed),
        }
    }

    /// Waits until the system has let go of all memory of operations, which have been
    /// cancelled; returns whether it has.
    ///
    /// Not left to the end of the ring: the kernel takes that apart when it has time
    /// for it, and might write into memory that has another owner by then.
    #[cfg(any(target_os = "linux", windows))]
    fn is_let_go(&self, runtime: &Runtime) -> bool {
        let began = Instant::now();
        while Rc::strong_count(&self.alive) > 1 {
            if began.elapsed() > MOMENT {
                return false;
            }
            runtime.poll_with(Some(Duration::from_millis(1)));
        }
        true
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if self.generation.is_past() {
            // The ring is the parent's, and its memory is not even mapped here.
            mem::forget(runtime);
            #[cfg(unix)]
            self.lookout.forget();
            return;
        }
        // In a thread-local's destructor a panic would end the process. Those of the
        // tasks are caught already; what is caught here is compio's.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            runtime.enter(|| {
                policy_core::local::cancel(self.shared.id);
                #[cfg(unix)]
                self.lookout.clear();
            });
            #[cfg(any(target_os = "linux", windows))]
            if !self.is_let_go(&runtime) {
                log::warn!(
                    "the kernel holds on to cancelled operations of an event loop; their memory is left to it"
                );
                return mem::forget(runtime);
            }
            drop(runtime);
        }));
        drop(dropped);
        self.shared.leave();
    }
}

/// A run: makes its part the one that this thread drives.
struct Leave {
    before: Option<Rc<Part>>,
}

impl Leave {
    fn enter(part: &Rc<Part>) -> Result<Self, Error> {
        let before =
            DRIVEN.try_with(|driven| driven.replace(Some(part.clone()))).map_err(|_| ending())?;
        Ok(Self { before })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let before = self.before.take();
        drop(DRIVEN.try_with(|driven| driven.replace(before)));
    }
}
