//! One run of a loop: asyncio's `_run_once`, until somebody stops it.
//!
//! A run goes by *batches*: all that was ready when the batch began, in order; what
//! comes meanwhile waits for the next. After [`LOOK`] polls, or when there is nothing
//! ready any more, the executor looks at its reactor: that is what its `block_on` does
//! when this future is pending.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use super::lane::{self, Driving, Lane};
use super::ready::{Driver, Entry, Ready};
use super::{callback, local, pump};
use crate::clock::{self, Alarm};
use crate::task::{Homed, Scheduled};
use crate::{EventLoop, ExceptionContext, budget, executors};

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
    next: Option<Instant>,
    /// The addresses of the waker that was left with the queue. Not `will_wake`:
    /// executors lend wakers whose clones have another table (tokio's `block_on`), so
    /// that it says no every time.
    registered: Option<(usize, usize)>,
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
            next: None,
            registered: None,
            location,
        }
    }

    #[cold]
    fn begin(&mut self) {
        executors::note(&self.waker);
        self.driving = Some(lane::enter(self.lane));
        *self.lane.part.borrow_mut() = local::find(self.event_loop.state().id());
        self.living = self.ready.begin_run(self.lane);
    }

    /// Takes what is there now for the next batch. The clock is looked at once per look
    /// at the reactor.
    fn collect(&mut self, looks: bool) {
        if looks || self.ready.has_mail() {
            self.next = self.ready.collect(self.lane, || self.event_loop.time());
        }
        self.left = self.lane.len();
    }

    fn run(&mut self, entry: Entry) {
        if clock::any_paused() {
            self.event_loop.state().clock().polled();
        }
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
            let what = format_args!("a poll of the future that is run at {location}");
            self.ready.slow().check(began, what);
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
            self.collect(false);
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
        let address = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        if self.registered != Some(address) {
            self.register(waker, address);
        }
        arm(&mut self.alarm, self.event_loop, self.next, waker);
        self.ready.sleeps()
    }

    /// Leaves the waker where whoever adds something finds it.
    #[cold]
    fn register(&mut self, waker: &Waker, address: (usize, usize)) {
        let clone = waker.clone();
        // A clone with the same data keeps it alive, so that the address is not used
        // again; else it may come to mean another waker.
        self.registered = (clone.data() == waker.data()).then_some(address);
        self.ready.register(Driver::Run, clone);
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
        this.ready.awake();
        if this.progress == Progress::Done && this.left == 0 {
            // An executor may poll once too often; a user's future must not notice.
            return Poll::Ready(());
        }
        if this.left == 0 {
            this.collect(true);
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
            }
            if this.end_batch() {
                return this.end(cx);
            }
            if this.left == 0 {
                if this.lane.len() == 0 && !this.ready.has_mail() && this.sleeps(cx.waker()) {
                    return Poll::Pending;
                }
                this.collect(false);
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
        self.lane.queue.borrow_mut().extend(self.strays.drain(..).map(Entry::Woken));
        let living = std::mem::take(&mut self.living);
        let pump = self.ready.end_run(self.lane, living);
        if let Some(part) = self.lane.part.take() {
            local::leave(self.event_loop.state().id(), &part);
        }
        pump::start(self.event_loop, pump);
    }
}

/// Has `waker` woken at `next`.
pub(super) fn arm(
    alarm: &mut Alarm,
    event_loop: &Arc<dyn EventLoop>,
    next: Option<Instant>,
    waker: &Waker,
) {
    let Some(next) = next else { return alarm.clear() };
    match alarm.set(&**event_loop, next, waker) {
        Ok(Poll::Pending) => {}
        Ok(Poll::Ready(())) => waker.wake_by_ref(),
        Err(error) => {
            let context = ExceptionContext::new(
                "a loop without timers can't run `call_later` in time; use a loop that has some",
            );
            event_loop.call_exception_handler(&context.with_error(error));
        }
    }
}
