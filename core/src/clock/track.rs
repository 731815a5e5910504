//! Which tasks have something to do: those that were spawned or woken, until they
//! have been polled and wait again.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use super::session::Session;
use super::{Clock, Shared, any_paused};
use crate::{EventLoop, context, task};

/// A task's state, while the clock is paused. In all but `IDLE` and `DONE` it is
/// counted as busy.
#[derive(Default)]
struct Mark(AtomicU8);

const IDLE: u8 = 0;
const AWAKE: u8 = 1;
const POLLED: u8 = 2;
const POLLED_AND_AWAKE: u8 = 3;
const DONE: u8 = 4;

/// A task's mark, and the waker that keeps it.
#[derive(Default)]
pub(super) struct Slot {
    mark: Arc<Mark>,
    /// Weak: the executor's waker, which is in it, may keep the loop, which keeps
    /// the session.
    notice: Weak<Notice>,
}

/// The waker that a task sees.
struct Notice {
    session: Arc<Session>,
    mark: Arc<Mark>,
    executors: Waker,
}

impl Slot {
    fn awake(session: &Session) -> Self {
        session.busy.fetch_add(1, SeqCst);
        Self { mark: Arc::new(Mark(AtomicU8::new(AWAKE))), notice: Weak::new() }
    }

    fn notice(&mut self, session: &Arc<Session>, waker: &Waker) -> Arc<Notice> {
        // The same one as long as it can be, so that `will_wake` says yes.
        let known = self.notice.upgrade().filter(|notice| notice.executors.will_wake(waker));
        known.unwrap_or_else(|| {
            let notice = Arc::new(Notice {
                session: session.clone(),
                mark: self.mark.clone(),
                executors: waker.clone(),
            });
            self.notice = Arc::downgrade(&notice);
            notice
        })
    }
}

impl Session {
    fn begin(&self, mark: &Mark) {
        // First, so that the count is never too small.
        self.busy.fetch_add(1, SeqCst);
        if !matches!(mark.0.swap(POLLED, SeqCst), IDLE | DONE) {
            self.busy.fetch_sub(1, SeqCst);
        }
    }

    fn pending(&self, mark: &Mark) {
        match mark.0.compare_exchange(POLLED, IDLE, SeqCst, SeqCst) {
            Ok(_) => self.less(),
            // Woken meanwhile.
            Err(_) => mark.0.store(AWAKE, SeqCst),
        }
    }

    fn done(&self, mark: &Mark) {
        if !matches!(mark.0.swap(DONE, SeqCst), IDLE | DONE) {
            self.less();
        }
    }

    fn woken(&self, mark: &Mark) {
        loop {
            match mark.0.load(SeqCst) {
                IDLE => {
                    self.busy.fetch_add(1, SeqCst);
                    if mark.0.compare_exchange(IDLE, AWAKE, SeqCst, SeqCst).is_ok() {
                        return;
                    }
                    self.less();
                }
                POLLED => {
                    let both = mark.0.compare_exchange(POLLED, POLLED_AND_AWAKE, SeqCst, SeqCst);
                    if both.is_ok() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn spawned(&self, id: task::Id) {
        let slot = Slot::awake(self);
        self.slots().insert(id, slot);
    }

    pub(super) fn gone(&self, id: task::Id) {
        let slot = self.slots().remove(&id);
        if let Some(slot) = slot {
            self.done(&slot.mark);
        }
    }
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.session.woken(&self.mark);
        self.executors.wake_by_ref();
    }
}

/// Polls a task of whatever loop runs here, in a process where a clock is paused.
#[cold]
pub(crate) fn poll_task(
    id: task::Id,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<()>,
) -> Poll<()> {
    let Some(session) = running() else {
        let polled = poll(cx);
        paused_meanwhile(id, cx, polled);
        return polled;
    };
    let (mark, notice) = {
        let mut slots = session.slots();
        let slot = slots.entry(id).or_default();
        (slot.mark.clone(), slot.notice(&session, cx.waker()))
    };
    session.polls.fetch_add(1, SeqCst);
    session.begin(&mark);
    let polled = poll(&mut Context::from_waker(&Waker::from(notice)));
    match polled {
        Poll::Pending => session.pending(&mark),
        Poll::Ready(()) => session.gone(id),
    }
    polled
}

/// Looks after a task that was polled unmarked, if its clock is paused now. Its wakers
/// say nothing, so it is polled once more.
#[cold]
pub(crate) fn paused_meanwhile(id: task::Id, cx: &mut Context<'_>, polled: Poll<()>) {
    let Some(session) = running() else { return };
    match polled {
        Poll::Pending => {
            let awake = Slot::awake(&session);
            let before = session.slots().insert(id, awake);
            if let Some(before) = before {
                session.done(&before.mark);
            }
            cx.waker().wake_by_ref();
        }
        Poll::Ready(()) => session.gone(id),
    }
}

/// The session of the loop that runs here.
fn running() -> Option<Arc<Session>> {
    context::with_running(|event_loop| event_loop.state().clock().shared().session()).flatten()
}

/// Marks what is being polled on this thread, unmarked, when it pauses the clock.
pub(super) fn mark_pauser(event_loop: &Arc<dyn EventLoop>, session: &Arc<Session>) {
    let id = event_loop.state().id();
    if context::with_running(|running| running.state().id() == id) != Some(true) {
        return;
    }
    // A task that is run from the loop's queue is a part of the run.
    if let Some(task) = task::try_id().filter(|_| event_loop.is_self_driving()) {
        if !session.slots().contains_key(&task) {
            session.spawned(task);
        }
        return;
    }
    let driving = DRIVING.get();
    if driving != NOTHING && driving != session.number {
        session.busy.fetch_add(1, SeqCst);
        DRIVING.set(session.number);
    }
}

thread_local! {
    /// Whether a [`Drive`] is polled unmarked on this thread; and the number of the
    /// session in which it counts as busy all the same, because it paused the clock.
    static DRIVING: Cell<u64> = const { Cell::new(NOTHING) };
}

const NOTHING: u64 = 0;
const UNMARKED: u64 = 1;

/// What polls a future that is no task, and for which a loop is run: it is marked as
/// tasks are, and while there is one, the time of the loop may jump.
///
/// ```
/// use policy_core::clock::Drive;
/// use policy_core::{LoopKind, LoopState};
/// use std::task::{Context, Poll, Waker};
///
/// let state = LoopState::new("my-executor", LoopKind::Selector);
/// let mut drive = Drive::new(state.clock());
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(drive.poll(&mut cx, |_cx| Poll::Ready(42)), Poll::Ready(42));
/// ```
pub struct Drive {
    clock: Arc<Shared>,
    drives: bool,
    marked: Option<(Arc<Session>, Slot)>,
}

impl Drive {
    /// Makes one for a future that drives the loop with this clock.
    pub fn new(clock: &Clock) -> Self {
        let clock = clock.shared().clone();
        clock.drivers.fetch_add(1, SeqCst);
        Self { clock, drives: true, marked: None }
    }

    /// Polls the future: by the context that `poll` is given.
    #[inline]
    pub fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let polled = match any_paused().then(|| self.clock.session()).flatten() {
            Some(session) => self.poll_marked(session, cx, poll),
            None => self.poll_unmarked(cx, poll),
        };
        if polled.is_ready() {
            self.stop();
        }
        polled
    }

    #[cold]
    fn poll_marked<T>(
        &mut self,
        session: Arc<Session>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (_, slot) = match &mut self.marked {
            Some(marked) if Arc::ptr_eq(&marked.0, &session) => marked,
            marked => marked.insert((session.clone(), Slot::default())),
        };
        let (mark, notice) = (slot.mark.clone(), slot.notice(&session, cx.waker()));
        session.begin(&mark);
        let polled = poll(&mut Context::from_waker(&Waker::from(notice)));
        if polled.is_pending() {
            session.pending(&mark);
        }
        polled
    }

    #[inline]
    fn poll_unmarked<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // Polls nest: a future that drives may itself poll one.
        let outer = Restore(DRIVING.replace(UNMARKED));
        let polled = poll(cx);
        if any_paused() {
            self.paused_meanwhile(cx, polled.is_pending());
        }
        drop(outer);
        polled
    }

    #[cold]
    fn paused_meanwhile(&mut self, cx: &mut Context<'_>, pending: bool) {
        let Some(session) = self.clock.session() else { return };
        if pending {
            self.marked = Some((session.clone(), Slot::awake(&session)));
            cx.waker().wake_by_ref();
        }
        if DRIVING.get() == session.number {
            // Nothing to look for: it is awake, or it drives no more.
            session.busy.fetch_sub(1, SeqCst);
        }
    }

    fn stop(&mut self) {
        if std::mem::take(&mut self.drives) {
            self.clock.drivers.fetch_sub(1, SeqCst);
        }
        if let Some((session, slot)) = self.marked.take() {
            session.done(&slot.mark);
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("drives", &self.drives).finish_non_exhaustive()
    }
}

struct Restore(u64);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        DRIVING.set(self.0);
    }
}
