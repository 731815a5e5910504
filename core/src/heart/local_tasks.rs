//! Tasks that stay on the thread that drives their loop.
//!
//! A loop has one part per thread that drives it. The part is in a thread-local, so
//! nothing of it is ever touched from elsewhere; its tasks wait there between runs, and
//! go when the loop is closed on that thread, or when the thread ends.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use slab::Slab;

use super::lane::{self, Lane};
use super::ready::Ready;
use crate::task::{HomedLocal, JoinHandle};
use crate::{Error, ErrorKind, LoopId, LoopState};

thread_local! {
    // A vector: a thread has one loop, seldom two.
    static PARTS: RefCell<Vec<(LoopId, Rc<Part>)>> = const { RefCell::new(Vec::new()) };
}

/// The tasks of one loop on one thread.
pub(super) struct Part {
    /// By which a task says that it is of this part; never 0.
    number: u32,
    /// `None` while it is polled.
    tasks: RefCell<Slab<Option<HomedLocal>>>,
}

impl Part {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        // It comes round after 2³² threads; 0 is nobody's.
        let number = NEXT.fetch_add(1, Relaxed).max(1);
        Self { number, tasks: RefCell::default() }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    fn add(&self, task: HomedLocal) {
        let mut tasks = self.tasks.borrow_mut();
        let place = tasks.vacant_entry();
        // As many tasks as that do not fit into memory.
        task.keep_at(u32::try_from(place.key()).unwrap_or(u32::MAX));
        if let Some(task) = place.insert(Some(task)) {
            task.schedule();
        }
    }

    /// Polls the task at `key`, if it is still there.
    pub(super) fn poll(&self, key: u32) {
        let task = self.tasks.borrow_mut().get_mut(key as usize).and_then(Option::take);
        // No borrow while a task is polled or dropped: that is user code.
        let Some(mut task) = task else { return };
        let is_done = task.poll().is_ready();
        let mut tasks = self.tasks.borrow_mut();
        match (is_done, tasks.get_mut(key as usize)) {
            (false, Some(place)) => *place = Some(task),
            _ => drop(tasks.try_remove(key as usize)),
        }
    }
}

/// Returns the part of this thread, if it has one.
pub(super) fn find(id: LoopId) -> Option<Rc<Part>> {
    let find = |parts: &RefCell<Vec<(LoopId, Rc<Part>)>>| {
        parts.borrow().iter().find(|(of, _)| *of == id).map(|(_, part)| part.clone())
    };
    PARTS.try_with(find).ok().flatten()
}

/// Lets go of this thread's part, if no task is left there.
pub(super) fn leave(id: LoopId, part: &Part) {
    if part.tasks.borrow().is_empty() {
        close(id);
    }
}

/// Cancels the tasks of the loop that stay on this thread.
pub(crate) fn close(id: LoopId) {
    let removed = PARTS.try_with(|parts| {
        let mut parts = parts.borrow_mut();
        let at = parts.iter().position(|(of, _)| *of == id)?;
        Some(parts.swap_remove(at).1)
    });
    if let Ok(Some(part)) = removed {
        cancel(&part);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        cancel(self);
    }
}

fn cancel(part: &Part) {
    // Outside the borrow: destructors of tasks are user code, which may come here.
    let tasks = part.tasks.take();
    drop(tasks);
}

impl Ready {
    /// Spawns a task that stays on this thread. One that is refused is cancelled: its
    /// handle says so.
    ///
    /// # Errors
    /// [`ErrorKind::WrongThread`], if this thread does not drive the loop;
    /// [`ErrorKind::LoopClosed`]; [`ErrorKind::Unsupported`], if nobody ever drives it.
    pub(crate) fn spawn_local<F>(
        self: &Arc<Self>,
        state: &LoopState,
        future: F,
    ) -> (JoinHandle<F::Output>, Result<(), Error>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let part = state.check_open().and_then(|()| {
            let part = lane::with(self, |lane| part_of(lane, state.id())).flatten();
            part.ok_or_else(|| not_here(state))
        });
        let number = part.as_ref().map_or(0, |part| part.number);
        let (task, handle) = HomedLocal::new_local(future, self.clone(), number);
        let accepted = part.map(|part| part.add(task));
        (handle, accepted)
    }
}

fn not_here(state: &LoopState) -> Error {
    if state.is_adopted() {
        return Error::new(
            ErrorKind::Unsupported,
            "a runtime that was adopted has no local tasks; use its own (`tokio::task::LocalSet`), or `policy::run` inside of `spawn_blocking`, on a loop that has them",
        );
    }
    Error::new(
        ErrorKind::WrongThread,
        "local tasks stay on the thread that runs the loop; make the future there, by `event_loop.call_soon(|| …)` with `spawn_local` inside",
    )
}

fn part_of(lane: &Lane, id: LoopId) -> Option<Rc<Part>> {
    if let Some(part) = &*lane.part.borrow() {
        return Some(part.clone());
    }
    let part = match find(id) {
        Some(part) => part,
        None => {
            let part = Rc::new(Part::new());
            // On a thread that is ending there is none.
            PARTS.try_with(|parts| parts.borrow_mut().push((id, part.clone()))).ok()?;
            part
        }
    };
    *lane.part.borrow_mut() = Some(part.clone());
    Some(part)
}
