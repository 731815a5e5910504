//! A thread that watches the reactor of a guest while that is idle.

use std::io;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::thread;

use policy_core::sync::{Condvar, Mutex};
use policy_core::{EventLoop, local, os};

/// Ends its thread when it is dropped.
pub(super) struct Watcher {
    shared: Arc<Shared>,
    /// Readable once the watcher is gone.
    end: UnixStream,
    generation: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Rests,
    Watches,
    Ended,
}

impl Watcher {
    pub(super) fn start(
        event_loop: &Arc<dyn EventLoop>,
        reactor: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let (end, ended) = UnixStream::pair()?;
        let reactor = reactor.try_clone_to_owned()?;
        let shared = Arc::<Shared>::default();
        // Weak: a guest that is dropped is gone.
        let (ours, event_loop) = (shared.clone(), Arc::downgrade(event_loop));
        thread::Builder::new()
            .name("policy-guest".into())
            .spawn(move || ours.watch(&event_loop, &reactor, &ended))?;
        Ok(Self { shared, end, generation: local::fork_generation() })
    }

    /// Watches until the reactor has something to tell, once.
    pub(super) fn arm(&self) {
        let mut state = self.shared.state.lock();
        if *state == State::Rests {
            *state = State::Watches;
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if self.generation != local::fork_generation() {
            return; // the thread is the parent's, and so is its end of the stream
        }
        *self.shared.state.lock() = State::Ended;
        self.shared.changed.notify_one();
        // It has room for a byte, and somebody who holds the other end.
        let _gone = (&self.end).write(&[0]);
    }
}

impl Shared {
    fn watch(&self, event_loop: &Weak<dyn EventLoop>, reactor: &OwnedFd, ended: &UnixStream) {
        while self.waits() {
            match os::wait_readable([reactor.as_fd(), ended.as_fd()], -1) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Without memory for it: the host looks more often than it must.
                Err(error) => log::warn!("can't watch a guest: {error}"),
                Ok(_) => {}
            }
            {
                let mut state = self.state.lock();
                if *state == State::Ended {
                    return;
                }
                *state = State::Rests;
            }
            let Some(event_loop) = event_loop.upgrade() else { return };
            event_loop.tell_host();
        }
    }

    /// Waits until there is something to watch; false once the watcher is gone.
    fn waits(&self) -> bool {
        let state = self.changed.wait(self.state.lock(), |state| *state == State::Rests);
        *state == State::Watches
    }
}
