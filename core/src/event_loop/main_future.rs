//! What an executor sees of the future that a loop is run for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::LoopState;

/// The future that an executor sees while its loop is run.
pub(super) struct Main<'a, P> {
    state: &'a LoopState,
    poll: P,
    /// The address of the waker that `stop` has, to register it only when it
    /// changes. Not `will_wake`: executors lend wakers whose clones have another
    /// table (tokio's `block_on`), so that it says no every time.
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
    pub(super) fn new(state: &'a LoopState, poll: P) -> Self {
        Self { state, poll, registered: None, progress: Progress::NotBegun }
    }
}

impl<P> Unpin for Main<'_, P> {}

impl<P: FnMut(&mut Context<'_>) -> Poll<()>> Future for Main<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.progress == Progress::Done {
            // An executor may poll once too often; a user's future must not notice.
            return Poll::Ready(());
        }
        if self.progress == Progress::NotBegun {
            self.progress = Progress::Runs;
        }
        if (self.poll)(cx).is_ready() {
            self.progress = Progress::Done;
            return Poll::Ready(());
        }
        let waker = cx.waker();
        let address = (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize);
        if self.registered != Some(address) {
            let clone = waker.clone();
            // A clone with the same data keeps it alive, so that the address is not
            // used again; else it may come to mean another waker.
            self.registered = (clone.data() == waker.data()).then_some(address);
            self.state.stop().register(clone);
        }
        if !self.state.stop().is_asked() {
            return Poll::Pending;
        }
        // One more turn for what is ready now, as asyncio's loop finishes its
        // batch after `stop`.
        if self.progress == Progress::Runs {
            self.progress = Progress::LastTurn;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.progress = Progress::Done;
        Poll::Ready(())
    }
}

impl<P> Drop for Main<'_, P> {
    fn drop(&mut self) {
        // A run that was refused did not make the turn that `stop` asks for.
        if self.progress != Progress::NotBegun {
            self.state.stop().clear();
        }
    }
}
