//! One run of a loop: asyncio's `_run_once`, until somebody stops it.
//!
//! A run goes by *batches*: all that was ready when the batch began, in order; what
//! comes meanwhile waits for the next. After [`LOOK`] polls, or when there is nothing
//! ready any more, the executor looks at its reactor: that is what its `block_on` does
//! when this future is pending.

use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use super::lane::{self, Driving, Lane};
use super::mail::{Driver, Entry};
use super::probe::Probe;
use super::ready::Ready;
use super::{callback, executors, local_tasks, pump};
use crate::sync::wakers::WakerId;
use crate::task::{Homed, Scheduled};
use crate::{EventLoop, ExceptionContext, Timer, budget};

/// After how many polls the reactor is looked at, also within a batch.
const LOOK: usize = 64;

/// The future that an executor sees while its loop is run.
pub(crate) struct Turn<'a, P> {
    event_loop: &'a Arc<dyn EventLoop>,
    ready: &'a Arc<Ready>,
    lane: &'a Lane,
    /// `Some` from the first poll on: a run that was refused has none.
    driving: Option<Driving<'a>>,
    /// Polls the main future.
    poll: P,
    /// The main future's.
    waker: Waker,
    progress: Progress,
    /// The tasks that were polled and wait.
    living: Slab<Homed>,
    /// Tasks that were woken, and stay on another thread.
    strays: Vec<Scheduled>,
    /// How much of the batch is left.
    left: usize,
    /// The executor has looked at its reactor in this run.
    looked: bool,
    alarm: Alarm,
    /// How much was run in all.
    ran: usize,
    idle: Idle,
    /// The addresses of the waker that was left with the queue. Not `will_wake`:
    /// executors lend wakers whose clones have another table (tokio's `block_on`), so
    /// that it says no every time.
    registered: WakerId,
    location: &'static Location<'static>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Runs,
    /// The main future is done. What was ready by then is still run, as in asyncio,
    /// where the end of a future is a callback, too.
    LastBatch,
    Done,
}

impl<'a, P: FnMut(&mut Context<'_>) -> Poll<()>> Turn<'a, P> {
    pub(crate) fn new(
        event_loop: &'a Arc<dyn EventLoop>,
        lane: &'a Lane,
        poll: P,
        location: &'static Location<'static>,
    ) -> Self {
        let ready = event_loop.state().ready();
        Self {
            event_loop,
            ready,
            lane,
            driving: None,
            poll,
            waker: Waker::from(ready.clone()),
            progress: Progress::Runs,
            living: Slab::new(),
            strays: Vec::new(),
            left: 0,
            looked: false,
            alarm: Alarm::default(),
            ran: 0,
            idle: Idle::default(),
            registered: WakerId::default(),
            location,
        }
    }

    #[cold]
    fn begin(&mut self) {
        executors::note(&self.waker);
        self.driving = Some(lane::enter(self.lane));
        *self.lane.part.borrow_mut() = local_tasks::find(self.event_loop.state().id());
        self.living = self.ready.begin_run(self.lane);
    }

    /// The reactor was looked at: takes in what came meanwhile, and what is due.
    fn look(&mut self) {
        if self.ready.has_mail() {
            self.ready.collect(self.lane);
        }
        if self.ready.runs_tasks() && self.ready.schedule().is_used() {
            self.ready.fire();
        }
    }

    /// Begins a batch: what is there now.
    fn begin_batch(&mut self) {
        if self.ready.has_mail() {
            self.ready.collect(self.lane);
        }
        self.left = self.lane.len();
    }

    /// Ends the run in a child of `fork`, at once: what is waited for comes to the parent,
    /// and the reactor is the parent's.
    #[inline]
    fn is_forked(&mut self) -> bool {
        let is_forked = self.ready.is_forked();
        if is_forked {
            (self.progress, self.left) = (Progress::Done, 0);
        }
        is_forked
    }

    fn run(&mut self, entry: Entry) {
        self.ran = self.ran.wrapping_add(1);
        match entry {
            Entry::Main => self.run_main(),
            Entry::Spawned(task) => self.run_task(task),
            Entry::Woken(cell) => self.run_woken(cell),
            Entry::Call(call) => callback::call(self.event_loop, call),
        }
    }

    fn run_main(&mut self) {
        self.ready.take_main();
        if self.progress != Progress::Runs {
            return;
        }
        let began = self.ready.is_debug().then(Instant::now);
        let polled = budget::renewed(|| (self.poll)(&mut Context::from_waker(&self.waker)));
        if let Some(began) = began {
            let location = self.location;
            let slow = self.ready.slow();
            slow.check(began, format_args!("a poll of the future that is run at {location}"));
        }
        if polled.is_ready() {
            self.progress = Progress::LastBatch;
        }
    }

    fn run_task(&mut self, mut task: Homed) {
        if task.poll().is_pending() {
            let entry = self.living.vacant_entry();
            // As many tasks as that do not fit into memory.
            task.keep_at(u32::try_from(entry.key()).unwrap_or(u32::MAX));
            entry.insert(task);
        }
    }

    fn run_woken(&mut self, cell: Scheduled) {
        let part = cell.part();
        if part != 0 {
            return self.run_local(cell, part);
        }
        let Some(key) = cell.take() else { return };
        let key = key as usize;
        if let Some(task) = self.living.get_mut(key) {
            if task.poll().is_ready() {
                drop(self.living.try_remove(key));
            }
        }
    }

    fn run_local(&mut self, cell: Scheduled, number: u32) {
        let part = self.lane.part.borrow().clone();
        match part.filter(|part| part.number() == number) {
            Some(part) => {
                if let Some(key) = cell.take() {
                    part.poll(key);
                }
            }
            None => self.strays.push(cell),
        }
    }

    /// The batch is over. Returns true if the run is.
    fn end_batch(&mut self) -> bool {
        if self.ready.is_stopping() {
            self.progress = Progress::Done;
        } else if self.progress == Progress::LastBatch {
            self.progress = Progress::Done;
            self.begin_batch();
            return self.left == 0;
        }
        self.progress == Progress::Done
    }

    /// The run is over. Still, the executor looks at its reactor once, where somebody
    /// waits for that: short runs, one after another, must not starve it.
    fn end(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.looked || !self.ready.expects() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns true if there is nothing to do until somebody wakes `waker`.
    fn sleeps(&mut self, waker: &Waker) -> bool {
        if self.registered != WakerId::of(waker) {
            self.register(waker);
        }
        if self.ready.runs_tasks() {
            let next = self.ready.next_alarm();
            self.alarm.set(self.event_loop, next, &mut Context::from_waker(waker));
        }
        if !self.ready.sleeps() {
            return false;
        }
        // What clones a waker or polls a timer is the code of others, and may have added
        // something on this thread.
        let is_idle = self.lane.len() == 0;
        if !is_idle {
            self.ready.awake();
        }
        is_idle
    }

    /// Nothing is ready: a clock that is paused may go on.
    #[cold]
    fn move_clock(&mut self) -> Moved {
        // Who advances it need not wait for the reactor: what is run is idle.
        if self.ready.advance() {
            return Moved::On;
        }
        let next = self.ready.schedule().earliest().filter(|_| self.ready.clock().may_jump());
        let Some(next) = next else {
            self.idle.since = None;
            return Moved::Not;
        };
        match self.idle.look(self.ran, self.event_loop) {
            // A reactor on another thread woke somebody before it told of the byte, and since
            // this turn looked: that is not idle.
            Moved::On if self.ready.has_mail() => Moved::Not,
            Moved::On => {
                self.ready.clock().jump(next);
                self.ready.fire();
                Moved::On
            }
            other => other,
        }
    }

    /// Leaves the waker where whoever adds something finds it.
    #[cold]
    fn register(&mut self, waker: &Waker) {
        let clone = waker.clone();
        self.registered = WakerId::kept(waker, &clone);
        self.ready.register(Driver::Run, clone);
    }
}

impl<P> Turn<'_, P> {
    /// Leaves all that the run has to itself: it goes on in the parent.
    #[cold]
    fn forget(&mut self) {
        mem::forget(mem::take(&mut self.living));
        mem::forget(mem::take(&mut self.strays));
        mem::forget(self.lane.queue.take());
        mem::forget(self.lane.part.take());
        mem::forget(mem::take(&mut self.alarm));
        mem::forget(self.idle.probe.take());
    }
}

impl<P> Unpin for Turn<'_, P> {}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Future for Turn<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match this.driving {
            Some(_) => this.looked = true,
            None => this.begin(),
        }
        if this.is_forked() {
            return Poll::Ready(());
        }
        this.ready.awake();
        if this.progress == Progress::Done && this.left == 0 {
            // An executor may poll once too often; a user's future must not notice.
            return Poll::Ready(());
        }
        // Also within a batch: what never ends would else keep what is due for ever.
        this.look();
        if this.left == 0 {
            this.begin_batch();
        }
        let mut polls = 0;
        loop {
            while this.left > 0 {
                if polls >= LOOK || !this.event_loop.has_budget() {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.left -= 1;
                polls += 1;
                if let Some(entry) = this.lane.pop() {
                    this.run(entry);
                }
                if this.is_forked() {
                    return Poll::Ready(());
                }
                if budget::take_pended() {
                    // It was ready all the time, and took its time: the others are late.
                    polls = LOOK;
                }
            }
            if this.end_batch() {
                return this.end(cx);
            }
            if this.left == 0 {
                if this.lane.len() == 0 && !this.ready.has_mail() {
                    let paused = this.ready.runs_tasks() && this.ready.clock().is_paused();
                    if paused && (polls >= LOOK || !this.event_loop.has_budget()) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    match if paused { this.move_clock() } else { Moved::Not } {
                        Moved::On => polls += 1,
                        Moved::Look => {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Moved::Not if this.sleeps(cx.waker()) => return Poll::Pending,
                        Moved::Not => {}
                    }
                }
                this.begin_batch();
            }
        }
    }
}

impl<P> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        // A run that was refused did not make the turn that `stop` asks for.
        let Some(driving) = self.driving.take() else { return };
        // What is woken by what is dropped here goes into the mail.
        drop(driving);
        if self.ready.is_forked() {
            return self.forget();
        }
        self.lane.queue.borrow_mut().extend(self.strays.drain(..).map(Entry::Woken));
        let living = mem::take(&mut self.living);
        let pump = self.ready.end_run(self.lane, living);
        if let Some(part) = self.lane.part.take() {
            local_tasks::leave(self.event_loop.state().id(), &part);
        }
        pump::start(self.event_loop, pump);
    }
}

/// What becomes of a clock that is paused.
enum Moved {
    /// Time has gone on.
    On,
    /// It may, after a look at the reactor.
    Look,
    Not,
}

/// Whether everything is idle: also what the reactor has not told yet.
#[derive(Default)]
struct Idle {
    /// Since when nothing has become ready: how much was run by then.
    since: Option<usize>,
    /// `None` before it is needed, and where the loop is no selector.
    probe: Option<Probe>,
    /// A byte is under way. One at a time: two that come back together would tell of
    /// one look.
    in_flight: bool,
}

impl Idle {
    /// On, if a byte has made its round trip through the reactor since `ran` last
    /// changed; without a selector, if the reactor was looked at.
    fn look(&mut self, ran: usize, event_loop: &Arc<dyn EventLoop>) -> Moved {
        if let (true, Some(probe)) = (self.in_flight, &self.probe) {
            match probe.is_back() {
                Ok(false) => return Moved::Not,
                Ok(true) => {}
                Err(()) => (self.probe, self.since) = (None, None),
            }
        }
        self.in_flight = false;
        if self.since.take() == Some(ran) {
            return Moved::On;
        }
        self.probe = self.probe.take().or_else(|| Probe::new(&**event_loop));
        match self.probe.as_ref().map(Probe::is_armed) {
            // In a turn of its own, which has a budget of its own.
            Some(Ok(false)) => return Moved::Look,
            Some(Err(())) => self.probe = None,
            Some(Ok(true)) | None => {}
        }
        self.since = Some(ran);
        self.in_flight = self.probe.as_ref().is_some_and(Probe::send);
        if self.in_flight { Moved::Not } else { Moved::Look }
    }
}

/// The executor's timer, which wakes a loop for the next of its own.
#[derive(Default)]
pub(super) struct Alarm {
    timer: Option<(Instant, Timer)>,
    waker: WakerId,
}

impl Alarm {
    /// Wakes whoever polls at `next`; earlier, perhaps, in vain: an alarm that was set
    /// for a timer that is gone is cheaper left alone.
    pub(super) fn set(
        &mut self,
        event_loop: &Arc<dyn EventLoop>,
        next: Option<Instant>,
        cx: &mut Context<'_>,
    ) {
        let Some(next) = next else { return };
        let known = WakerId::of(cx.waker());
        if let Some((at, _)) = &self.timer {
            // One for this very moment, too, may have come: what is due then and was added since,
            // or was more than fires at once, needs another.
            let is_ahead = *at <= next && *at > Instant::now();
            if is_ahead && self.waker == known {
                return;
            }
            if !is_ahead {
                self.timer = None;
            }
        }
        self.waker = known;
        let timer = match &mut self.timer {
            Some((_, timer)) => timer,
            none => match event_loop.timer(next) {
                Ok(timer) => &mut none.insert((next, timer)).1,
                Err(error) => return fail(event_loop, error),
            },
        };
        if Pin::new(timer).poll(cx).is_ready() {
            self.timer = None;
            cx.waker().wake_by_ref();
        }
    }
}

#[cold]
fn fail(event_loop: &Arc<dyn EventLoop>, error: crate::Error) {
    let context = ExceptionContext::new(
        "a loop without timers can't run what is due in time; use a loop that has some",
    );
    event_loop.call_exception_handler(&context.with_error(error));
}
