//! Descriptors that are waited for until they are ready.
//!
//! The loop has one poller for all of them, made when the first is registered, and
//! waits for that by one operation of compio's. An operation for each descriptor would
//! have to be started and dropped on the loop's thread, while a [`Source`] may be on
//! any; would allocate at each wait; and would take regular files for ready, which are
//! refused here.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use compio_runtime::fd::PollFd;
use policy_core::{Error, ErrorKind, Interest, Source, local};
use slab::Slab;

use crate::poller::{Events, Poller};
use crate::shared::Shared;

/// Registers a descriptor with the loop's poller.
pub(crate) fn register(shared: &Arc<Shared>, fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
    if shared.is_closed() {
        return Err(ErrorKind::LoopClosed.into());
    }
    let reactor = shared.reactor.start()?;
    let directions = Arc::new(Directions::default());
    let key = lock(&reactor.sources).insert(directions.clone());
    let registered = Registered { fd, key, directions, reactor, shared: shared.clone() };
    // From here on its destructor takes it out again.
    registered.reactor.poller.add(registered.fd.as_fd(), key).map_err(refused)?;
    if !registered.reactor.used.swap(true, Ordering::AcqRel) {
        // The first: the loop may sleep, and not wait for the poller yet.
        shared.ring();
    }
    Ok(Box::new(registered))
}

fn refused(error: io::Error) -> Error {
    Error::io(
        "can't register the descriptor with the loop's poller; regular files are read in blocking jobs, and a descriptor is registered once",
        error,
    )
}

/// The poller of a loop, and who waits for what.
#[derive(Debug)]
pub(crate) struct Reactor {
    poller: Poller,
    sources: Mutex<Slab<Arc<Directions>>>,
    /// Whether a descriptor was ever registered: until then nobody waits for it.
    used: AtomicBool,
    generation: u64,
}

#[derive(Debug, Default)]
struct Directions {
    readable: Mutex<Direction>,
    writable: Mutex<Direction>,
}

#[derive(Debug, Default)]
struct Direction {
    /// How often it became ready: whoever tries and then waits sees whether it did
    /// so in between.
    edges: u64,
    waker: Option<Waker>,
}

impl Reactor {
    fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            sources: Mutex::default(),
            used: AtomicBool::new(false),
            generation: local::fork_generation(),
        })
    }

    /// Wakes who waits for what is ready.
    fn dispatch(&self, events: &mut Events) {
        let ready = match self.poller.look(events) {
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => return log::error!("the poller of an event loop failed: {error}"),
        };
        for event in ready {
            let Some(directions) = lock(&self.sources).get(event.key).cloned() else { continue };
            if event.readable {
                directions.readable.ready();
            }
            if event.writable {
                directions.writable.ready();
            }
        }
    }

    /// Wakes everybody: the loop is closed.
    fn wake_all(&self) {
        let all: Vec<_> = lock(&self.sources).iter().map(|(_, source)| source.clone()).collect();
        for directions in all {
            directions.readable.ready();
            directions.writable.ready();
        }
    }

    fn is_forked(&self) -> bool {
        self.generation != local::fork_generation()
    }
}

trait Edge {
    fn ready(&self);
}

impl Edge for Mutex<Direction> {
    fn ready(&self) {
        let waker = {
            let mut direction = lock(self);
            direction.edges += 1;
            direction.waker.take()
        };
        // Outside the lock: a waker is user code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A reactor that starts when the loop is first run, or a descriptor registered.
#[derive(Debug, Default)]
pub(crate) struct LazyReactor {
    started: OnceLock<Arc<Reactor>>,
    starting: Mutex<()>,
}

impl LazyReactor {
    fn used(&self) -> Option<&Arc<Reactor>> {
        self.started.get().filter(|reactor| reactor.used.load(Ordering::Acquire))
    }

    pub(crate) fn start(&self) -> Result<Arc<Reactor>, Error> {
        if let Some(reactor) = self.started.get() {
            return Ok(reactor.clone());
        }
        let starting = lock(&self.starting);
        if let Some(reactor) = self.started.get() {
            return Ok(reactor.clone());
        }
        let reactor = Arc::new(Reactor::new().map_err(|error| {
            Error::io(
                "can't make the loop's poller; close descriptors, or raise RLIMIT_NOFILE",
                error,
            )
        })?);
        self.started.get_or_init(|| reactor.clone());
        drop(starting);
        Ok(reactor)
    }

    pub(crate) fn close(&self) {
        if let Some(reactor) = self.used() {
            reactor.wake_all();
        }
    }
}

struct Registered {
    fd: Arc<OwnedFd>,
    key: usize,
    directions: Arc<Directions>,
    reactor: Arc<Reactor>,
    shared: Arc<Shared>,
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let direction = match interest {
            Interest::Readable => &self.directions.readable,
            Interest::Writable => &self.directions.writable,
        };
        loop {
            let edges = lock(direction).edges;
            match op(self.fd.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            let waker = cx.waker().clone();
            let mut waiting = lock(direction);
            if waiting.edges != edges {
                // Ready again meanwhile, and nobody was woken for it.
                drop(waiting);
                continue;
            }
            let former = waiting.waker.replace(waker);
            drop(waiting);
            // Outside the lock: a waker's destructor is user code.
            drop(former);
            // After the waker was put in: `close` wakes those that it finds.
            if self.reactor.is_forked() {
                return Poll::Ready(Err(Error::from(ErrorKind::Forked).into()));
            }
            if self.shared.is_closed() {
                return Poll::Ready(Err(Error::from(ErrorKind::LoopClosed).into()));
            }
            return Poll::Pending;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.reactor.is_forked() {
            // The poller is the parent's, too: it would lose the descriptor there.
            return;
        }
        // Fails if it was never added.
        let _never_added = self.reactor.poller.delete(self.fd.as_fd());
        let removed = lock(&self.reactor.sources).try_remove(self.key);
        drop(removed);
        // Outside the locks: a waker's destructor is user code.
        for direction in [&self.directions.readable, &self.directions.writable] {
            let waker = lock(direction).waker.take();
            drop(waker);
        }
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("fd", &self.fd).finish_non_exhaustive()
    }
}

/// How the loop's thread waits for the poller.
#[derive(Default)]
pub(crate) struct Watch {
    poll: RefCell<Option<PollFd<Nested>>>,
    /// Whether an operation is under way.
    armed: Cell<bool>,
    ready: Arc<Flag>,
    events: RefCell<Events>,
}

/// Where the poller can't be waited for, it is looked at so often.
const RETRY: Duration = Duration::from_millis(10);

impl Watch {
    /// Begins to wait for the poller, if there is one. Returns how long the loop may
    /// sleep at most.
    pub(crate) fn arm(&self, shared: &Shared) -> Option<Duration> {
        let reactor = shared.reactor.used()?;
        if self.armed.get() {
            return None;
        }
        match self.poll(reactor) {
            Poll::Pending => {
                self.armed.set(true);
                None
            }
            Poll::Ready(result) => {
                self.ready.0.store(true, Ordering::Release);
                Some(if result.is_ok() { Duration::ZERO } else { RETRY })
            }
        }
    }

    /// Wakes who waits for a descriptor that became ready.
    pub(crate) fn dispatch(&self, shared: &Shared) {
        if !self.ready.0.load(Ordering::Acquire) {
            return;
        }
        self.ready.0.store(false, Ordering::Release);
        let Some(reactor) = shared.reactor.used() else { return };
        if self.armed.get() && self.poll(reactor).is_ready() {
            self.armed.set(false);
        }
        reactor.dispatch(&mut self.events.borrow_mut());
    }

    fn poll(&self, reactor: &Arc<Reactor>) -> Poll<io::Result<()>> {
        let mut poll = self.poll.borrow_mut();
        let poll = match &mut *poll {
            Some(poll) => poll,
            none => none.insert(PollFd::new(Nested(reactor.clone()))?),
        };
        let waker = Waker::from(self.ready.clone());
        let ready = poll.poll_read_ready(&mut Context::from_waker(&waker));
        if let Poll::Ready(Err(error)) = &ready {
            log::warn!("an event loop can't wait for its poller, and looks at it instead: {error}");
        }
        ready
    }

    /// Takes the operation back, before the runtime goes.
    pub(crate) fn clear(&self) {
        drop(self.poll.take());
    }

    /// Leaves the operation to itself, in a forked child.
    pub(crate) fn forget(&self) {
        mem::forget(self.poll.take());
    }
}

/// The poller as a descriptor of its own.
struct Nested(Arc<Reactor>);

impl AsFd for Nested {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.poller.as_fd()
    }
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
