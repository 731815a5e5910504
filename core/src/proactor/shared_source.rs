//! One registration with a reactor, for any number of waiters.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::os::BorrowedIo;
use crate::{Interest, Source};

/// A [`Source`] keeps one waker for each interest. This gives it one that wakes all who
/// wait: each tries again, and whoever comes too late waits again.
pub(super) struct SharedSource {
    source: Box<dyn Source>,
    readers: Waiters,
    writers: Waiters,
    non_blocking: AtomicBool,
}

struct Waiters {
    list: Arc<List>,
    /// Of the list: made once.
    waker: Waker,
}

#[derive(Default)]
struct List(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last: u64,
    /// A vector: there are few, and mostly one.
    wakers: Vec<(u64, Waker)>,
}

impl SharedSource {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        Self {
            source,
            readers: Waiters::new(),
            writers: Waiters::new(),
            non_blocking: AtomicBool::new(false),
        }
    }

    /// Calls `make` the first time.
    pub(super) fn make_non_blocking(
        &self,
        make: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.non_blocking.load(Ordering::Acquire) {
            make()?;
            self.non_blocking.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Waits with a place among those who wait for the interest.
    pub(super) fn wait(&self, interest: Interest) -> Wait<'_> {
        let waiters = match interest {
            Interest::Readable => &self.readers,
            Interest::Writable => &self.writers,
        };
        Wait { source: &*self.source, waiters, interest, key: None }
    }
}

/// A place among those who wait, given up when it is dropped.
pub(super) struct Wait<'a> {
    source: &'a dyn Source,
    waiters: &'a Waiters,
    interest: Interest,
    key: Option<u64>,
}

impl Wait<'_> {
    /// As [`Source::poll_io`].
    pub(super) fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        // Before the reactor is asked: what becomes ready from then on wakes it.
        self.waiters.list.enter(&mut self.key, cx.waker());
        let mut cx = Context::from_waker(&self.waiters.waker);
        self.source.poll_io(&mut cx, self.interest, op)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.waiters.list.leave(key);
        }
    }
}

impl Waiters {
    fn new() -> Self {
        let list = Arc::<List>::default();
        Self { waker: Waker::from(list.clone()), list }
    }
}

impl List {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, key: &mut Option<u64>, waker: &Waker) {
        let mut waiting = self.lock();
        let place = key.and_then(|key| waiting.wakers.iter_mut().find(|(at, _)| *at == key));
        let former = match place {
            Some((_, known)) if known.will_wake(waker) => None,
            Some((_, known)) => Some(std::mem::replace(known, waker.clone())),
            None => {
                waiting.last += 1;
                let new = waiting.last;
                waiting.wakers.push((new, waker.clone()));
                *key = Some(new);
                None
            }
        };
        drop(waiting);
        // Outside the lock: dropping a waker may run anything.
        drop(former);
    }

    fn leave(&self, key: u64) {
        let left = {
            let mut waiting = self.lock();
            let place = waiting.wakers.iter().position(|(at, _)| *at == key);
            place.map(|at| waiting.wakers.swap_remove(at))
        };
        drop(left);
    }
}

impl Wake for List {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The room of the vector is lost; nearly always it is for one.
        let wakers = std::mem::take(&mut self.lock().wakers);
        for (_, waker) in wakers {
            // One that panics must not keep the others waiting, nor end the reactor.
            if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
                log::error!("a waker panicked; its task may wait for ever");
            }
        }
    }
}
