//! Descriptors that are waited for until they are ready.

use std::io;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_core::os::{self, BorrowedIo, OwnedIo};
use policy_core::sync::{Mutex, MutexGuard};
use policy_core::{Error, ErrorKind, Interest, Source};
use slab::Slab;

use crate::poller::{Poller, Ready};

/// The poller of a loop, and who waits for what.
///
/// ```
/// use policy_poller::reactor::Reactor;
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// reactor.turn(Some(Duration::ZERO)); // nothing is registered
/// # Ok::<(), policy_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Reactor {
    poller: Poller,
    sources: Mutex<Slab<Arc<Directions>>>,
    closed: AtomicBool,
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
    /// At how many edges it was tried last, and was not ready any more.
    tried: u64,
    waker: Option<Waker>,
}

impl Reactor {
    /// Makes one, with a poller of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], if the system has no descriptors for it.
    ///
    /// ```
    /// let _reactor = policy_poller::reactor::Reactor::new()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn new() -> Result<Self, Error> {
        let poller = Poller::new().map_err(|error| {
            Error::io(
                "can't make the loop's poller; close descriptors, or raise RLIMIT_NOFILE",
                error,
            )
        })?;
        Ok(Self {
            poller,
            sources: Mutex::default(),
            closed: AtomicBool::new(false),
            generation: fork_generation(),
        })
    }

    /// Registers a descriptor, until the source is dropped.
    ///
    /// # Errors
    /// As [`Selector::register`](policy_core::Selector::register);
    /// [`ErrorKind::LoopClosed`] once it is closed.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # {
    /// use policy_poller::reactor::Reactor;
    /// use std::os::unix::net::UnixStream;
    /// use std::sync::Arc;
    ///
    /// let reactor = Arc::new(Reactor::new()?);
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// ours.set_nonblocking(true)?;
    /// let _source = reactor.register(Arc::new(ours.into()))?;
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn register(self: &Arc<Self>, io: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        self.check_open()?;
        let directions = Arc::new(Directions::default());
        let key = self.sources.lock().insert(directions.clone());
        let registered = Registered { io, key, directions, reactor: self.clone() };
        // From here on its destructor takes it out again.
        self.poller.add(os::borrow(&*registered.io), key).map_err(refused)?;
        Ok(Box::new(registered))
    }

    /// Wakes who waits for what is ready; waits for that, at most for `timeout`. By one
    /// thread at a time.
    ///
    /// ```
    /// # let reactor = policy_poller::reactor::Reactor::new()?;
    /// reactor.notify();
    /// reactor.turn(None); // for ever, without that
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn turn(&self, timeout: Option<Duration>) {
        self.turn_and(timeout, || {});
    }

    /// As [`turn`](Self::turn). Calls `over` once when it waits no more, before it wakes anybody.
    pub(crate) fn turn_and(&self, timeout: Option<Duration>, over: impl FnOnce()) {
        let mut over = Some(over);
        let waited = self.poller.wait(timeout, |ready| {
            if let Some(over) = over.take() {
                over();
            }
            self.dispatch(ready);
        });
        if let Some(over) = over {
            over();
        }
        match waited {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => log::error!("the poller of an event loop failed: {error}"),
        }
    }

    fn dispatch(&self, ready: Ready) {
        let Some(directions) = self.sources.lock().get(ready.key).cloned() else { return };
        if ready.readable {
            directions.readable.ready();
        }
        if ready.writable {
            directions.writable.ready();
        }
    }

    /// Ends a wait, the next if none is under way.
    ///
    /// ```
    /// # let reactor = policy_poller::reactor::Reactor::new()?;
    /// reactor.notify();
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn notify(&self) {
        if self.is_forked() {
            return;
        }
        if let Err(error) = self.poller.notify() {
            log::error!("can't wake an event loop: {error}");
        }
    }

    /// Wakes everybody: the loop is closed.
    ///
    /// ```
    /// # let reactor = policy_poller::reactor::Reactor::new()?;
    /// reactor.close();
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.sources.lock().iter().map(|(_, source)| source.clone()).collect();
        for directions in all {
            directions.readable.ready();
            directions.writable.ready();
        }
    }

    /// Returns a descriptor that is readable while a [`turn`](Self::turn) has something to do.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], if the system has no descriptors for it.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// policy_poller::reactor::Reactor::new()?.descriptor()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn descriptor(&self) -> Result<OwnedIo, Error> {
        self.poller.as_fd().try_clone_to_owned().map_err(|error| {
            Error::io("can't copy the descriptor of the loop's poller; close others, or raise RLIMIT_NOFILE", error)
        })
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.is_forked() {
            return Err(ErrorKind::Forked.into());
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(ErrorKind::LoopClosed.into());
        }
        Ok(())
    }

    fn is_forked(&self) -> bool {
        self.generation != fork_generation()
    }
}

/// Readable while somebody has something to do.
#[cfg(unix)]
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

fn refused(error: io::Error) -> Error {
    Error::io(
        "can't register the descriptor with the loop's poller; regular files are read in blocking jobs, and a descriptor is registered once",
        error,
    )
}

fn fork_generation() -> u64 {
    #[cfg(unix)]
    return policy_core::local::fork_generation();
    #[cfg(not(unix))]
    0
}

trait Edge {
    fn ready(&self);
}

impl Edge for Mutex<Direction> {
    fn ready(&self) {
        let waker = {
            let mut direction = self.lock();
            direction.edges = direction.edges.wrapping_add(1);
            direction.waker.take()
        };
        // Outside the lock: a waker is user code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Registered {
    io: Arc<OwnedIo>,
    key: usize,
    directions: Arc<Directions>,
    reactor: Arc<Reactor>,
}

impl Registered {
    fn direction(&self, interest: Interest) -> &Mutex<Direction> {
        match interest {
            Interest::Readable => &self.directions.readable,
            Interest::Writable => &self.directions.writable,
        }
    }

    /// Has a task woken when the descriptor becomes ready. Ready with an error if it can't be.
    fn wait(&self, mut waiting: MutexGuard<'_, Direction>, waker: Waker) -> Poll<io::Error> {
        let former = waiting.waker.replace(waker);
        drop(waiting);
        // Outside the lock: a waker's destructor is user code.
        drop(former);
        // After the waker was put in: `close` wakes those that it finds.
        let armed = match self.reactor.check_open() {
            Ok(()) => self.arm(),
            Err(error) => Err(error.into()),
        };
        armed.map_or_else(Poll::Ready, |()| Poll::Pending)
    }

    /// Has a poller that reports what is ready only once wait for who waits.
    fn arm(&self) -> io::Result<()> {
        if cfg!(unix) {
            return Ok(()); // by edges
        }
        // Both under their locks: the later of two that wait must not forget the earlier.
        let readable = self.directions.readable.lock();
        let writable = self.directions.writable.lock();
        let wanted = Ready {
            key: self.key,
            readable: readable.waker.is_some(),
            writable: writable.waker.is_some(),
        };
        self.reactor.poller.arm(os::borrow(&*self.io), wanted)
    }
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let direction = self.direction(interest);
        loop {
            let edges = direction.lock().edges;
            match op(os::borrow(&*self.io)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            let waker = cx.waker().clone();
            let mut waiting = direction.lock();
            if waiting.edges != edges {
                // Ready again meanwhile, and nobody was woken for it.
                drop(waiting);
                continue;
            }
            waiting.tried = edges;
            return self.wait(waiting, waker).map(Err);
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        let waker = cx.waker().clone();
        let waiting = self.direction(interest).lock();
        if waiting.edges != waiting.tried {
            return Poll::Ready(Ok(()));
        }
        self.wait(waiting, waker).map(Err)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.reactor.is_forked() {
            // The poller is the parent's, too: it would lose the descriptor there.
            return;
        }
        // Fails if it was never added.
        let _never_added = self.reactor.poller.delete(os::borrow(&*self.io));
        let removed = self.reactor.sources.lock().try_remove(self.key);
        drop(removed);
        // Outside the locks: a waker's destructor is user code.
        for direction in [&self.directions.readable, &self.directions.writable] {
            let waker = direction.lock().waker.take();
            drop(waker);
        }
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("io", &self.io).finish_non_exhaustive()
    }
}
