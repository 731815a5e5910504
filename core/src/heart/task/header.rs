//! The word of state that the halves of a task share, and the wakers that it
//! guards. It knows neither the future nor the result.
//!
//! The word counts, too, who refers to the cell. A half that has nothing left to do
//! gives its reference up by the very step that says so; and a reference that is the
//! only one goes without a step: nobody is left to make it two.
//!
//! Each waker has one *writer* (the half that waits) and is woken by whoever
//! *closes* it: the runner closes the join waker with `COMPLETE`, an aborter
//! closes the run waker with `ABORTED`. The slot of a waker belongs
//!
//! - to its writer while its bit is clear;
//! - to nobody while its bit is set: the writer may clear the bit and have the
//!   slot back;
//! - to the closer, for good, if the bit was set when it closed; else to the
//!   writer, for good. What the bit says after that means nothing.
//!
//! A run slot that no aborter closed goes from the runner to the joiner when the cell is
//! complete (see `complete`), or to whoever frees the cell.
//!
//! So nobody ever looks into a slot that another may touch. The writer keeps in
//! mind which waker it left there ([`WakerId`]) instead of looking.
//!
//! A cell is run in one of two ways, for life. One that an executor polls keeps the
//! executor's waker, in the run slot. One that is *homed* runs from the ready queue of
//! its loop, and is its own waker: `SCHEDULED` says that it is in the queue, and who
//! sets it puts it there, with a reference of the queue's own.
#![allow(unsafe_code, reason = "the slots of the wakers change hands by the state word")]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::Waker;

use super::current::Id;
use super::scheduled::{Home, Scheduled};
use super::sync::{AtomicUsize, UnsafeCell};
use crate::heart::executors;
use crate::sync::{quietly, wake, wakers::WakerId};

/// The result is in the stage, and the future is gone.
const COMPLETE: usize = 1;
/// Somebody asked for the task to be cancelled.
const ABORTED: usize = 1 << 1;
/// The joiner is gone: nobody will take the result.
const DETACHED: usize = 1 << 2;
/// The join waker is set.
const JOIN_WAKER: usize = 1 << 3;
/// The run waker is set.
const RUN_WAKER: usize = 1 << 4;
/// It is in its home's queue, which has a reference, or is about to be.
const SCHEDULED: usize = 1 << 5;
/// It runs from a ready queue. Set at birth or never: says what `mode` is.
const HOMED: usize = 1 << 6;
/// One reference: what is above the flags counts them.
const REFERENCE: usize = 1 << 7;

pub(super) struct Header {
    state: AtomicUsize,
    id: Id,
    free: unsafe fn(NonNull<Self>),
    join_waker: UnsafeCell<Option<Waker>>,
    mode: Mode,
}

// A task's size is its speed: with 10,000 of them every line of the cache counts.
#[cfg(all(not(any(loom, shuttle)), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Header>() <= 72);

/// What a cell needs for the way in which it is run: `HOMED` tells which.
union Mode {
    polled: ManuallyDrop<Polled>,
    homed: ManuallyDrop<Homed>,
}

/// Polled by an executor.
struct Polled {
    run_waker: UnsafeCell<Option<Waker>>,
    /// The runner's alone. Here and not in the runner, so that what an executor
    /// carries about is two words.
    run_registered: UnsafeCell<WakerId>,
}

/// Run from a queue.
struct Homed {
    home: Arc<dyn Home>,
    /// Where the home keeps the runner. An atomic for the sake of safe code: the home
    /// alone uses it.
    key: AtomicU32,
    /// The thread whose task it is, by a number of the home's; 0: anybody's.
    part: u32,
}

impl Drop for Header {
    fn drop(&mut self) {
        // SAFETY: the bit says which one it is; and nobody else is here any more.
        unsafe {
            match self.is_homed() {
                true => ManuallyDrop::drop(&mut self.mode.homed),
                false => ManuallyDrop::drop(&mut self.mode.polled),
            }
        }
    }
}

// SAFETY: a slot is touched by one thread at a time, which the state word hands
// over with acquire and release; wakers are `Send`.
unsafe impl Send for Header {}
// SAFETY: as above; `&Header` gives no access but through the protocol.
unsafe impl Sync for Header {}

/// What the state word says about the task.
#[derive(Clone, Copy)]
pub(super) struct Status(usize);

impl Status {
    #[inline]
    pub(super) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    #[inline]
    pub(super) fn is_aborted(self) -> bool {
        self.0 & ABORTED != 0
    }
}

/// What is left to do for a runner that has said complete.
pub(super) enum Completed {
    /// Nothing: its reference is given up.
    Released,
    /// It still has its reference.
    Held {
        /// The stage stays the runner's.
        detached: bool,
        join_waker: Option<Waker>,
    },
}

impl Header {
    /// Makes the header of a cell with a runner and a joiner, which `free` frees.
    #[inline]
    pub(super) fn polled(free: unsafe fn(NonNull<Self>)) -> Self {
        let polled = Polled {
            run_waker: UnsafeCell::new(None),
            run_registered: UnsafeCell::new(WakerId::default()),
        };
        Self::new(free, 2 * REFERENCE, Mode { polled: ManuallyDrop::new(polled) })
    }

    /// Makes the header of a cell that runs from the queue of `home`.
    #[inline]
    pub(super) fn homed(free: unsafe fn(NonNull<Self>), home: Arc<dyn Home>, part: u32) -> Self {
        let homed = Homed { home, key: AtomicU32::new(u32::MAX), part };
        Self::new(free, (2 * REFERENCE) | HOMED, Mode { homed: ManuallyDrop::new(homed) })
    }

    #[inline]
    fn new(free: unsafe fn(NonNull<Self>), state: usize, mode: Mode) -> Self {
        let join_waker = UnsafeCell::new(None);
        Self { state: AtomicUsize::new(state), id: Id::next(), free, join_waker, mode }
    }

    #[inline]
    pub(super) fn is_homed(&self) -> bool {
        self.state.peek(Relaxed) & HOMED != 0
    }

    /// Of a cell that is not homed.
    #[inline]
    unsafe fn as_polled(&self) -> &Polled {
        // SAFETY: by contract.
        unsafe { &self.mode.polled }
    }

    /// Of a cell that is homed.
    #[inline]
    unsafe fn as_homed(&self) -> &Homed {
        // SAFETY: by contract.
        unsafe { &self.mode.homed }
    }

    /// Remembers where the home keeps the runner of this cell, if it has a home.
    #[inline]
    pub(super) fn keep_at(&self, key: u32) {
        if self.is_homed() {
            // SAFETY: asked just now.
            unsafe { self.as_homed() }.key.store(key, Relaxed);
        }
    }

    #[inline]
    pub(super) fn id(&self) -> Id {
        self.id
    }

    #[inline]
    pub(super) fn status(&self) -> Status {
        Status(self.state.load(Acquire))
    }

    /// Asks for the task to be cancelled, and wakes it to see that.
    pub(super) fn abort(&self) {
        let mut before = self.state.load(Acquire);
        loop {
            // Not after `COMPLETE`: the bit then tells the joiner whose the run slot is.
            if before & (ABORTED | COMPLETE) != 0 {
                return;
            }
            match self.state.compare_exchange(before, before | ABORTED, AcqRel, Acquire) {
                Ok(_) => break,
                Err(other) => before = other,
            }
        }
        if before & HOMED != 0 {
            // SAFETY: whoever calls has a reference.
            unsafe { Self::schedule(NonNull::from(self)) };
        } else if before & RUN_WAKER != 0 {
            // SAFETY: closed while the bit was set, by this call: the slot is ours.
            wake(unsafe { take(&self.as_polled().run_waker) });
        }
    }

    /// Puts a homed cell into its queue, unless it is there, or complete.
    ///
    /// # Safety
    /// By who has a reference to a homed cell.
    #[inline]
    pub(super) unsafe fn schedule(this: NonNull<Self>) {
        // SAFETY: there is a reference, so there is a cell.
        let header = unsafe { this.as_ref() };
        let mut now = header.state.load(Acquire);
        loop {
            if now & (SCHEDULED | COMPLETE) != 0 {
                // Who polls it next shall see what was written before this wake, too.
                // A store would do, were there one that writes what is there.
                match header.state.compare_exchange(now, now, AcqRel, Acquire) {
                    Ok(_) => return,
                    Err(other) => now = other,
                }
                continue;
            }
            let scheduled = (now | SCHEDULED) + REFERENCE;
            match header.state.compare_exchange(now, scheduled, AcqRel, Acquire) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        // SAFETY: it is homed; and the reference that was counted just now goes along.
        let refused = unsafe { header.as_homed().home.push(Scheduled::new(this)) };
        // The loop is closed: whoever closed it has cancelled the task, or does so now.
        drop(refused);
    }

    /// Returns which part of its home a homed cell belongs to.
    ///
    /// # Safety
    /// Of a homed cell.
    #[inline]
    pub(super) unsafe fn part(&self) -> u32 {
        // SAFETY: by contract.
        unsafe { self.as_homed() }.part
    }

    /// Takes a cell off its queue. Returns under which key its home has the runner,
    /// unless it is complete.
    ///
    /// # Safety
    /// By who has the queue's reference to a homed cell, and gives it up.
    #[inline]
    pub(super) unsafe fn unschedule(this: NonNull<Self>) -> Option<u32> {
        // SAFETY: there is a reference, so there is a cell.
        let (state, homed) = unsafe { (&this.as_ref().state, this.as_ref().as_homed()) };
        // Before the reference goes: the cell may go with it.
        let key = homed.key.load(Relaxed);
        let before = state.fetch_sub(SCHEDULED + REFERENCE, AcqRel);
        if before < 2 * REFERENCE {
            // SAFETY: it was the last one.
            unsafe { (this.as_ref().free)(this) }
        }
        (before & COMPLETE == 0).then_some(key)
    }

    /// Says that there is one reference more.
    pub(super) fn retain(&self) {
        let before = self.state.fetch_add(REFERENCE, Relaxed);
        if before > usize::MAX / 2 {
            // Somebody forgets references in a loop: one that was freed too early
            // would be worse.
            std::process::abort();
        }
    }

    /// Gives a reference up, and frees the cell if it was the last.
    ///
    /// # Safety
    /// By who has a reference, and does not use it any more.
    // By a pointer, here and below: others may free the cell before the call returns.
    #[inline]
    pub(super) unsafe fn release(this: NonNull<Self>) {
        // SAFETY: there is a reference, so there is a cell.
        let state = unsafe { &this.as_ref().state };
        let is_last = state.peek(Acquire) < 2 * REFERENCE
            || state.fetch_sub(REFERENCE, AcqRel) < 2 * REFERENCE;
        if is_last {
            // SAFETY: as above; and it was the last one.
            unsafe { (this.as_ref().free)(this) }
        }
    }

    /// Says that nobody will take the result. Returns true if it is there, so that
    /// the joiner has to drop it, and still has its reference; else that is given up.
    ///
    /// # Safety
    /// By the only joiner of this cell, once, with no waker left.
    #[inline]
    pub(super) unsafe fn detach(this: NonNull<Self>) -> bool {
        // SAFETY: the joiner has a reference, so there is a cell.
        let state = unsafe { &this.as_ref().state };
        let mut now = state.peek(Acquire);
        // Not complete, so that the runner has another reference.
        while now & COMPLETE == 0 {
            match state.compare_exchange(now, (now | DETACHED) - REFERENCE, AcqRel, Acquire) {
                Ok(_) => return false,
                Err(other) => now = other,
            }
        }
        true
    }

    /// Returns true if the result is there; else `waker` will be woken.
    ///
    /// # Safety
    /// By the only joiner of this cell, with its own `registered`.
    #[inline]
    pub(super) unsafe fn register_join(&self, waker: &Waker, registered: &mut WakerId) -> bool {
        // SAFETY: the joiner is the writer of this slot.
        unsafe { self.register(&self.join_waker, JOIN_WAKER, COMPLETE, waker, registered) }
    }

    /// Lets go of the waker of a wait that is given up: it holds the task that
    /// waited, which should not live as long as this one.
    ///
    /// # Safety
    /// By the only joiner of this cell, with its own `registered`.
    #[inline]
    pub(super) unsafe fn unregister_join(&self, registered: &mut WakerId) {
        if std::mem::take(registered) == WakerId::default() {
            return;
        }
        let before = self.state.fetch_and(!JOIN_WAKER, AcqRel);
        if before & JOIN_WAKER != 0 && before & COMPLETE == 0 {
            // SAFETY: the writer had the slot back before it was closed.
            let waker = unsafe { take(&self.join_waker) };
            quietly(|| drop(waker));
        }
    }

    /// Returns true if the task was aborted; else `waker` will be woken.
    ///
    /// # Safety
    /// By the only runner of this cell, which is not homed.
    #[inline]
    pub(super) unsafe fn register_run(&self, waker: &Waker) -> bool {
        // SAFETY: a runner registers only where an executor polls.
        let polled = unsafe { self.as_polled() };
        polled.run_registered.with_mut(|registered| {
            // SAFETY: nobody but the runner touches what it remembers.
            let registered = unsafe { &mut *registered };
            let before = *registered;
            // SAFETY: the runner is the writer of the slot.
            let closed =
                unsafe { self.register(&polled.run_waker, RUN_WAKER, ABORTED, waker, registered) };
            if *registered != before {
                executors::note(waker);
            }
            closed
        })
    }

    /// Says that the result is in the stage. Says what is left to do, too.
    ///
    /// A clone of `executor`, by which an executor polled, stays in the run slot, for the
    /// joiner to drop: it keeps the memory of the executor's task, which is then freed
    /// where it was most likely taken. With memory that one thread takes and another
    /// frees, the two meet at the allocator's lock, task by task.
    ///
    /// # Safety
    /// By the only runner of this cell, once; with a waker only if it is not homed.
    #[inline]
    pub(super) unsafe fn complete(this: NonNull<Self>, executor: Option<&Waker>) -> Completed {
        // SAFETY: the runner has a reference, so there is a cell.
        let header = unsafe { this.as_ref() };
        let state = &header.state;
        let now = state.peek(Acquire);
        let is_left = match executor {
            Some(waker) if now & (DETACHED | ABORTED | RUN_WAKER) == 0 => {
                // Cloning may run anything, and panic: whoever joins is still to be told.
                let _panicked = quietly(|| {
                    let clone = waker.clone();
                    // SAFETY: not homed; the bit is clear, and was so before it was closed,
                    // if it is by now: the slot is ours.
                    unsafe { put(&header.as_polled().run_waker, clone) };
                });
                true
            }
            _ => false,
        };
        // Not detached, so that the joiner has another reference.
        if now & (DETACHED | JOIN_WAKER) == 0 {
            let released = (now | COMPLETE) - REFERENCE;
            if state.compare_exchange(now, released, AcqRel, Acquire).is_ok() {
                return Completed::Released;
            }
        }
        let before = state.fetch_or(COMPLETE, AcqRel);
        let detached = before & DETACHED != 0;
        let is_ours = is_left || before & (RUN_WAKER | ABORTED) == RUN_WAKER;
        if is_ours && before & (DETACHED | ABORTED) != 0 {
            // SAFETY: it was not closed, or while the bit was clear, and no aborter closes
            // it any more: one that comes now sees `COMPLETE`.
            let waker = unsafe { take(&header.as_polled().run_waker) };
            quietly(|| drop(waker));
        }
        let join_waker = match before & JOIN_WAKER {
            0 => None,
            // SAFETY: closed while the bit was set, by this call: the slot is ours.
            _ => unsafe { take(&header.join_waker) },
        };
        Completed::Held { detached, join_waker }
    }

    /// Lets go of the executor's task, whose memory the runner left to the joiner.
    ///
    /// # Safety
    /// By the only joiner of this cell, once it saw that the cell is complete.
    #[inline]
    pub(super) unsafe fn leave_executor(&self) {
        // Of a task that was aborted the aborter may be at the slot now, and the runner
        // left nothing.
        if self.state.load(Acquire) & (HOMED | ABORTED) != 0 {
            return;
        }
        // SAFETY: not homed; complete, not aborted before: the runner left the slot to us.
        let waker = unsafe { take(&self.as_polled().run_waker) };
        if waker.is_some() {
            quietly(|| drop(waker));
        }
    }

    /// Leaves `waker` in `slot` and sets `bit`; returns true, with the slot empty
    /// or the closer's, once `closed` is set.
    ///
    /// # Safety
    /// By the writer of `slot`, whose bits are `bit` and `closed`.
    #[inline]
    unsafe fn register(
        &self,
        slot: &UnsafeCell<Option<Waker>>,
        bit: usize,
        closed: usize,
        waker: &Waker,
        registered: &mut WakerId,
    ) -> bool {
        let now = self.state.load(Acquire);
        if now & closed != 0 {
            return true;
        }
        if now & bit != 0 {
            if *registered == WakerId::of(waker) {
                return false;
            }
            if self.state.fetch_and(!bit, AcqRel) & closed != 0 {
                return true;
            }
        }
        // Before the slot is touched: cloning a waker may run anything.
        let clone = waker.clone();
        *registered = WakerId::kept(waker, &clone);
        // SAFETY: the bit is clear and was so before it was closed: the slot is ours.
        let old = slot.with_mut(|slot| unsafe { (*slot).replace(clone) });
        let closed = self.state.fetch_or(bit, AcqRel) & closed != 0;
        if closed {
            // SAFETY: closed while the bit was clear: the slot stays ours.
            let unused = unsafe { take(slot) };
            quietly(|| drop(unused));
        }
        if old.is_some() {
            // After the bit: dropping a waker may run anything, too.
            quietly(|| drop(old));
        }
        closed
    }
}

/// # Safety
/// By the owner of the slot, which is empty.
#[inline]
unsafe fn put(slot: &UnsafeCell<Option<Waker>>, waker: Waker) {
    // SAFETY: by contract.
    slot.with_mut(|slot| unsafe { *slot = Some(waker) });
}

/// # Safety
/// By the owner of the slot.
#[inline]
unsafe fn take(slot: &UnsafeCell<Option<Waker>>) -> Option<Waker> {
    // SAFETY: by contract.
    slot.with_mut(|slot| unsafe { (*slot).take() })
}
