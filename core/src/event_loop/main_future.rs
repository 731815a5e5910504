//! What an executor sees of the future that a loop is run for.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::EventLoop;
use crate::callbacks::{self, DEBUG, Driver, STOP, Turn, WORK};

/// The future that an executor sees while its loop is run. It runs the loop's
/// callbacks, too: a batch per turn, before the user's future.
pub(super) struct Main<'a, P> {
    event_loop: &'a Arc<dyn EventLoop>,
    poll: P,
    location: &'static Location<'static>,
    turn: Turn,
    /// The address of the waker that `stop` and `call_soon` have, to register it only
    /// when it changes. Not `will_wake`: executors lend wakers whose clones have
    /// another table (tokio's `block_on`), so that it says no every time.
    registered: Option<(usize, usize)>,
    progress: Progress,
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
            event_loop,
            poll,
            location,
            turn: Turn::default(),
            registered: None,
            progress: Progress::NotBegun,
        }
    }

    /// Runs a batch of callbacks, if there is something to do for one.
    #[cold]
    fn run_callbacks(&mut self, signals: u8) {
        // In the last turn none are run: what comes after `stop` waits for the next
        // run.
        if signals & WORK != 0 && self.progress == Progress::Runs {
            // Whoever set the bit may have taken the waker.
            self.registered = None;
            self.turn.run(self.event_loop, Driver::Main);
        }
    }
}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Main<'_, P> {
    #[inline]
    fn poll_user(&mut self, cx: &mut Context<'_>, signals: u8) -> Poll<()> {
        if signals & DEBUG == 0 { (self.poll)(cx) } else { self.poll_measured(cx) }
    }

    #[cold]
    fn poll_measured(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let began = Instant::now();
        let polled = (self.poll)(cx);
        let location = self.location;
        let callbacks = self.event_loop.state().callbacks();
        callbacks
            .slow()
            .check(began, format_args!("a poll of the future that is run at {location}"));
        polled
    }
}

impl<P> Unpin for Main<'_, P> {}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Future for Main<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let callbacks = this.event_loop.state().callbacks();
        match this.progress {
            Progress::Runs | Progress::LastTurn => {}
            Progress::NotBegun => {
                this.progress = Progress::Runs;
                callbacks.begin_run();
            }
            // An executor may poll once too often; a user's future must not notice.
            Progress::Done => return Poll::Ready(()),
        }
        let signals = callbacks.signals();
        if signals != 0 {
            this.run_callbacks(signals);
        }
        if this.poll_user(cx, signals).is_ready() {
            // What it gave to the loop while it ran is still called, as in asyncio,
            // where the end of a future is a callback, too.
            this.run_callbacks(callbacks.signals());
            this.progress = Progress::Done;
            return Poll::Ready(());
        }
        let waker = cx.waker();
        let address = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        if this.registered != Some(address) {
            let clone = waker.clone();
            // A clone with the same data keeps it alive, so that the address is not
            // used again; else it may come to mean another waker.
            this.registered = (clone.data() == waker.data()).then_some(address);
            callbacks.register(Driver::Main, clone);
        }
        match callbacks.signals() {
            signals if signals & STOP != 0 => {}
            signals => {
                if signals & WORK != 0 {
                    waker.wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        // One more turn for what is ready now, as asyncio's loop finishes its
        // batch after `stop`.
        if this.progress == Progress::Runs {
            this.progress = Progress::LastTurn;
            waker.wake_by_ref();
            return Poll::Pending;
        }
        this.progress = Progress::Done;
        Poll::Ready(())
    }
}

impl<P> Drop for Main<'_, P> {
    fn drop(&mut self) {
        // A run that was refused did not make the turn that `stop` asks for.
        if self.progress != Progress::NotBegun {
            let event_loop = self.event_loop;
            let pump = event_loop.state().callbacks().end_run(event_loop.is_self_driving());
            callbacks::start(event_loop, pump);
        }
    }
}
