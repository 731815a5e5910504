//! What an executor sees of the future that a loop is run for.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::EventLoop;
use crate::budget;
use crate::callbacks::{self, Callbacks, Driver, STOP, Turn, WORK};
use crate::executors;

/// The future that an executor sees while its loop is run. It runs the loop's
/// callbacks, too: a batch per turn, before the user's future.
pub(super) struct Main<'a, P> {
    /// The loop's, here, because each poll looks at them twice.
    callbacks: &'a Callbacks,
    poll: P,
    /// The address of the waker that `stop` and `call_soon` have, to register it only
    /// when it changes. Not `will_wake`: executors lend wakers whose clones have
    /// another table (tokio's `block_on`), so that it says no every time.
    registered: Option<(usize, usize)>,
    progress: Progress,
    event_loop: &'a Arc<dyn EventLoop>,
    turn: Turn,
    location: &'static Location<'static>,
    /// When the user's future was polled, in debug mode.
    began: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotBegun,
    Runs,
    LastTurn,
    Done,
}

impl<'a, P> Main<'a, P> {
    pub(super) fn new(
        event_loop: &'a Arc<dyn EventLoop>,
        poll: P,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            callbacks: event_loop.state().callbacks(),
            poll,
            registered: None,
            progress: Progress::NotBegun,
            event_loop,
            turn: Turn::default(),
            location,
            began: None,
        }
    }

    /// What a poll begins with, when it is not like any other. Returns true if there
    /// is nothing to poll any more.
    #[cold]
    fn begin_poll(&mut self) -> bool {
        match self.progress {
            Progress::Runs | Progress::LastTurn => {}
            Progress::NotBegun => {
                self.progress = Progress::Runs;
                self.callbacks.begin_run();
            }
            // An executor may poll once too often; a user's future must not notice.
            Progress::Done => return true,
        }
        self.run_callbacks();
        if self.callbacks.is_debug() {
            self.began = Some(Instant::now());
        }
        false
    }

    /// Runs a batch of callbacks, if there is something to do for one.
    fn run_callbacks(&mut self) {
        // In the last turn none are run: what comes after `stop` waits for the next
        // run.
        if self.callbacks.signals() & WORK != 0 && self.progress == Progress::Runs {
            // Whoever set the bit may have taken the waker.
            self.registered = None;
            self.turn.run(self.event_loop, Driver::Main);
        }
    }

    /// The user's future is done.
    #[cold]
    fn finish(&mut self) {
        self.report_slow();
        // What it gave to the loop while it ran is still called, as in asyncio, where
        // the end of a future is a callback, too.
        self.run_callbacks();
        self.progress = Progress::Done;
    }

    /// Leaves the waker where `stop` and `call_soon` find it.
    #[cold]
    fn register(&mut self, waker: &Waker, address: (usize, usize)) {
        executors::note(waker);
        let clone = waker.clone();
        // A clone with the same data keeps it alive, so that the address is not used
        // again; else it may come to mean another waker.
        self.registered = (clone.data() == waker.data()).then_some(address);
        self.callbacks.register(Driver::Main, clone);
    }

    /// What a poll ends with, when there were signals. Returns true if the run is over.
    #[cold]
    fn end_poll(&mut self, waker: &Waker) -> bool {
        self.report_slow();
        let signals = self.callbacks.signals();
        if signals & STOP == 0 {
            if signals & WORK != 0 {
                waker.wake_by_ref();
            }
            return false;
        }
        // One more turn for what is ready now, as asyncio's loop finishes its batch
        // after `stop`.
        if self.progress == Progress::Runs {
            self.progress = Progress::LastTurn;
            waker.wake_by_ref();
            return false;
        }
        self.progress = Progress::Done;
        true
    }

    fn report_slow(&mut self) {
        if let Some(began) = self.began.take() {
            let location = self.location;
            let slow = self.callbacks.slow();
            slow.check(began, format_args!("a poll of the future that is run at {location}"));
        }
    }
}

impl<P> Unpin for Main<'_, P> {}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Future for Main<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if (this.progress != Progress::Runs || this.callbacks.signals() != 0) && this.begin_poll() {
            return Poll::Ready(());
        }
        if budget::renewed(|| (this.poll)(cx)).is_ready() {
            this.finish();
            return Poll::Ready(());
        }
        let waker = cx.waker();
        let address = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        if this.registered != Some(address) {
            this.register(waker, address);
        }
        // After the waker is left: who comes now finds it, or is found.
        if this.callbacks.signals() != 0 && this.end_poll(waker) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<P> Drop for Main<'_, P> {
    fn drop(&mut self) {
        // A run that was refused did not make the turn that `stop` asks for.
        if self.progress != Progress::NotBegun {
            let pump = self.callbacks.end_run(self.event_loop.is_self_driving());
            callbacks::start(self.event_loop, pump);
        }
    }
}
