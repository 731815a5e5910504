//! A loop inside another main loop.

#[cfg(unix)]
mod watcher;

#[cfg(unix)]
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use policy_core::task::JoinHandle;
use policy_core::{Error, EventLoop, IntoPolicy};

/// A loop that another main loop (winit, glib, Qt, a game, `select` in a C program) runs, turn by
/// turn.
///
/// The host calls [`turn`](Self::turn) after `wake` was called, when the timer that the last turn
/// returned is due, and again at once if that turn was not idle. No turn waits. In between, nothing
/// runs: the loop uses no processor time while it is idle.
///
/// `wake` is called from any thread, also inside a turn of another guest, so it should only post a
/// message to the host, or signal a condition variable. It is called at most once until the next
/// turn.
///
/// | loop | who notices what its tasks wait for, between two turns |
/// |---|---|
/// | the default loop, `CompioPolicy` (Unix) | a thread, while the guest is idle; or the host itself: [`as_fd`](Self::as_fd) |
/// | `TokioPolicy::current_thread()` | a thread that drives the runtime; it also runs what was spawned with `tokio::spawn` |
/// | `SmolPolicy::current_thread()` | async-io's own thread |
/// | loops with threads, adopted runtimes | [`Unsupported`](crate::ErrorKind::Unsupported): they need no host, so call `spawn` on them |
///
/// On Windows the loops of tokio and smol can be guests.
///
/// Dropping it closes the loop and cancels the remaining tasks. It stays on its thread:
///
/// ```compile_fail,E0277
/// # let mut guest = policy::Guest::new(policy::DefaultEventLoopPolicy::new(), || ())?;
/// std::thread::spawn(move || guest.turn());
/// # Ok::<(), policy::Error>(())
/// ```
///
/// The page [`guide::guests`](crate::guide::guests) has hosts of several kinds, GLib's among them.
///
/// ```
/// use policy::{DefaultEventLoopPolicy, Guest};
/// use std::sync::mpsc;
/// use std::time::{Duration, Instant};
///
/// // The host: a queue of messages.
/// let (messages, queue) = mpsc::channel();
/// let wake = messages.clone();
/// let mut guest = Guest::new(DefaultEventLoopPolicy::new(), move || drop(wake.send("turn")))?;
/// guest.spawn(async move {
///     policy::time::sleep(Duration::from_millis(2)).await;
///     messages.send("quit").unwrap();
/// });
/// let mut wait = Duration::ZERO;
/// while queue.recv_timeout(wait) != Ok("quit") {
///     let turn = guest.turn()?;
///     let until = turn.next_timer().map(|at| at.saturating_duration_since(Instant::now()));
///     wait = if turn.is_idle() { until.unwrap_or(Duration::MAX) } else { Duration::ZERO };
/// }
/// guest.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub struct Guest {
    event_loop: Arc<dyn EventLoop>,
    /// Readable while the loop's reactor has something to tell. `None` if a thread of its
    /// own looks after that.
    #[cfg(unix)]
    descriptor: Option<OwnedFd>,
    /// The host watches it.
    #[cfg(unix)]
    is_watched: Cell<bool>,
    #[cfg(unix)]
    watcher: Option<watcher::Watcher>,
    _stays_here: PhantomData<*const ()>,
}

/// The state of a [`Guest`] after a turn.
///
/// ```
/// use policy::{DefaultEventLoopPolicy, Guest};
///
/// let mut guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
/// let turn = guest.turn()?;
/// assert!(turn.is_idle() && turn.next_timer().is_none());
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    is_idle: bool,
    next_timer: Option<Instant>,
}

impl Turn {
    /// Returns true if nothing is ready; otherwise the host should call [`Guest::turn`] again,
    /// after its own work.
    ///
    /// ```
    /// # use policy::{DefaultEventLoopPolicy, Guest};
    /// # let mut guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// guest.spawn(async { policy::task::yield_now().await });
    /// assert!(!guest.turn()?.is_idle());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Returns when the next timer is due, by the system's clock: the host should call
    /// [`Guest::turn`] then.
    ///
    /// ```
    /// # use policy::{DefaultEventLoopPolicy, Guest};
    /// # let mut guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// guest.spawn(policy::time::sleep(policy::time::Duration::from_secs(60)));
    /// assert!(guest.turn()?.next_timer().is_some());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn next_timer(&self) -> Option<Instant> {
        self.next_timer
    }
}

impl Guest {
    /// Makes a loop of `policy` for a host to run turn by turn. `None` uses the process's policy.
    ///
    /// # Errors
    /// Returns [`Unsupported`](crate::ErrorKind::Unsupported) if the policy's loops can't be
    /// guests, or the error of the policy.
    ///
    /// ```
    /// use policy::{DefaultEventLoopPolicy, Guest};
    ///
    /// let guest = Guest::new(DefaultEventLoopPolicy::new(), || println!("something to do"))?;
    /// # drop(guest);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new(
        policy: impl IntoPolicy,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let policy = policy.into_policy().unwrap_or_else(crate::get_event_loop_policy);
        let event_loop = policy.new_event_loop()?;
        let descriptor = match event_loop.set_host(Box::new(wake)) {
            Ok(descriptor) => descriptor,
            Err(error) => {
                event_loop.close()?;
                return Err(error);
            }
        };
        // On other systems no loop has one.
        #[cfg(not(unix))]
        drop(descriptor);
        Ok(Self {
            #[cfg(unix)]
            descriptor,
            #[cfg(unix)]
            is_watched: Cell::new(false),
            #[cfg(unix)]
            watcher: None,
            event_loop,
            _stays_here: PhantomData,
        })
    }

    /// Runs everything that is ready or due, and does not wait.
    ///
    /// # Errors
    /// Returns [`AlreadyRunning`](crate::ErrorKind::AlreadyRunning) or
    /// [`OtherLoopRunning`](crate::ErrorKind::OtherLoopRunning) inside a turn, or inside another
    /// loop's run, and [`Forked`](crate::ErrorKind::Forked) in a child of `fork`.
    ///
    /// ```
    /// use policy::{DefaultEventLoopPolicy, Guest};
    ///
    /// let mut guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// let task = guest.spawn(async { 6 * 7 });
    /// guest.turn()?;
    /// assert!(task.is_finished());
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[track_caller]
    pub fn turn(&mut self) -> Result<Turn, Error> {
        self.event_loop.run_once()?;
        let (is_idle, next_timer) = self.event_loop.outlook();
        #[cfg(unix)]
        if is_idle && !self.is_watched.get() {
            self.watch()?;
        }
        Ok(Turn { is_idle, next_timer })
    }

    /// Has a thread watch the loop until the next turn.
    #[cfg(unix)]
    fn watch(&mut self) -> Result<(), Error> {
        let Some(descriptor) = &self.descriptor else { return Ok(()) };
        let watcher = match &self.watcher {
            Some(watcher) => watcher,
            None => {
                let started = watcher::Watcher::start(&self.event_loop, descriptor.as_fd());
                self.watcher.insert(started.map_err(|error| {
                    Error::io("can't start a thread that watches a guest; end others, raise the limits, or use `Guest::as_fd`", error)
                })?)
            }
        };
        watcher.arm();
        Ok(())
    }

    /// Returns a descriptor that is readable while the guest's reactor has events, for hosts that
    /// watch descriptors: they call [`turn`](Self::turn) then. No thread watches the guest any
    /// more. Returns `None` if the loop has none, since a thread drives its reactor (tokio's, smol's).
    ///
    /// `wake` is still called for everything else.
    ///
    /// ```
    /// use policy::{DefaultEventLoopPolicy, Guest};
    ///
    /// let guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// assert!(guest.as_fd().is_some());
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        let descriptor = self.descriptor.as_ref()?;
        self.is_watched.set(true);
        Some(descriptor.as_fd())
    }

    /// Spawns a task, which later turns poll.
    ///
    /// ```
    /// # use policy::{DefaultEventLoopPolicy, Guest};
    /// let guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// let _task = guest.spawn(async {});
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.event_loop.spawn(future)
    }

    /// Returns the loop, for all its other methods.
    ///
    /// ```
    /// # use policy::{DefaultEventLoopPolicy, Guest};
    /// let guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// guest.get_loop().call_soon(|| println!("in the next turn"));
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn get_loop(&self) -> &Arc<dyn EventLoop> {
        &self.event_loop
    }

    /// Closes the loop, and cancels the remaining tasks.
    ///
    /// # Errors
    /// Returns [`CloseWhileRunning`](crate::ErrorKind::CloseWhileRunning) inside a turn.
    ///
    /// ```
    /// # use policy::{DefaultEventLoopPolicy, Guest};
    /// let guest = Guest::new(DefaultEventLoopPolicy::new(), || ())?;
    /// let task = guest.spawn(std::future::pending::<()>());
    /// guest.close()?;
    /// assert!(task.is_finished());
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn close(self) -> Result<(), Error> {
        self.event_loop.close()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Err(error) = self.event_loop.close() {
            log::warn!("closing a guest: {error}");
        }
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("event_loop", &self.event_loop).finish_non_exhaustive()
    }
}
