//! A reactor, a queue of tasks, and timers, served by one thread.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use policy_core::os::BorrowedIo;
use policy_core::sync::{Mutex, isolated, wake};
use policy_core::{Error, Interest, Source, local::fork_generation};
use policy_poller::reactor::Reactor;

use crate::process::sys;

/// How long the thread stays when there is nothing to do: programs that start one
/// child after another should not pay for a thread each time.
const LINGER: Duration = Duration::from_millis(100);

static CURRENT: Mutex<Option<Arc<Background>>> = Mutex::new(None);

struct Background {
    reactor: Arc<Reactor>,
    /// A forked copy of the process has not the thread.
    generation: u64,
    /// Sources, tasks and timers: the thread stays while there are any. Grows only
    /// under the lock of [`CURRENT`] or on behalf of another user.
    users: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_timer: u64,
    ready: Vec<Arc<Task>>,
    timers: BTreeMap<(Instant, u64), (Waker, User)>,
}

/// Keeps the thread.
struct User(Arc<Background>);

impl Drop for User {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // So that the time it lingers begins.
            self.0.reactor.notify();
        }
    }
}

/// Registers a descriptor; see [`policy_core::Selector::register`].
///
/// # Errors
/// [`ErrorKind::Io`](policy_core::ErrorKind::Io) at the system's limits.
pub(in crate::process) fn register(fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
    let user = acquire()?;
    let source = user.0.reactor.register(fd)?;
    Ok(Box::new(Registered { source, _user: user }))
}

/// Runs a task on the thread. A task that panics is logged and dropped.
///
/// # Errors
/// [`ErrorKind::Io`](policy_core::ErrorKind::Io) if there can be no thread.
pub(in crate::process) fn spawn(
    future: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let user = acquire()?;
    let background = Arc::downgrade(&user.0);
    let task = Arc::new(Task {
        future: Mutex::new(Some((Box::pin(future), user))),
        background,
        queued: AtomicBool::new(false),
    });
    task.wake();
    Ok(())
}

/// Wakes a task when some time has passed, or at once if there can be no thread.
pub(in crate::process) fn wake_after(delay: Duration, waker: Waker) {
    let Ok(user) = acquire() else { return waker.wake() };
    let background = user.0.clone();
    let mut state = background.state.lock();
    state.last_timer += 1;
    let key = (Instant::now() + delay, state.last_timer);
    state.timers.insert(key, (waker, user));
    drop(state);
    background.reactor.notify();
}

/// Returns what serves, and starts its thread if there is none.
fn acquire() -> Result<User, Error> {
    let mut current = CURRENT.lock();
    if let Some(found) = current.as_ref().filter(|found| found.generation == fork_generation()) {
        found.users.fetch_add(1, Ordering::AcqRel);
        return Ok(User(found.clone()));
    }
    let background = Arc::new(Background {
        reactor: Arc::new(Reactor::new()?),
        generation: fork_generation(),
        users: AtomicUsize::new(1),
        state: Mutex::default(),
    });
    let on_thread = background.clone();
    let thread = std::thread::Builder::new().name("policy-reaper".into());
    let begun = thread.spawn(move || {
        sys::block_signals();
        on_thread.run();
    });
    begun.map_err(|error| {
        Error::io("can't start the thread `policy-reaper`; raise the limit of threads", error)
    })?;
    *current = Some(background.clone());
    Ok(User(background))
}

impl Background {
    fn run(self: Arc<Self>) {
        let mut idle_since = None;
        loop {
            self.run_ready();
            let next = self.fire_timers();
            if self.users.load(Ordering::Acquire) > 0 {
                idle_since = None;
                self.turn(next);
                continue;
            }
            let since = *idle_since.get_or_insert_with(Instant::now);
            let left = LINGER.saturating_sub(since.elapsed());
            if !left.is_zero() {
                self.turn(Some(left));
            } else if self.retire() {
                return;
            }
        }
    }

    /// Ends the thread's service, if nobody came meanwhile.
    fn retire(self: &Arc<Self>) -> bool {
        let mut current = CURRENT.lock();
        if self.users.load(Ordering::Acquire) > 0 {
            return false;
        }
        if current.as_ref().is_some_and(|found| Arc::ptr_eq(found, self)) {
            *current = None;
        }
        true
    }

    fn run_ready(&self) {
        let ready = std::mem::take(&mut self.state.lock().ready);
        for task in ready {
            task.run();
        }
    }

    /// Wakes whose time has come, and returns how long it is until the next.
    fn fire_timers(&self) -> Option<Duration> {
        loop {
            let mut state = self.state.lock();
            if !state.ready.is_empty() {
                return Some(Duration::ZERO);
            }
            let entry = state.timers.first_entry()?;
            let left = entry.key().0.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            let (waker, user) = entry.remove();
            drop(state);
            wake(waker);
            drop(user);
        }
    }

    /// Waits for events and wakes who waits for them.
    fn turn(&self, limit: Option<Duration>) {
        isolated("a waker", || self.reactor.turn(limit));
    }
}

/// A descriptor in the reactor, which has a thread as long as there is one.
#[derive(Debug)]
struct Registered {
    // In this order: the descriptor goes before the thread may.
    source: Box<dyn Source>,
    _user: User,
}

impl Source for Registered {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.source.poll_io(cx, interest, op)
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        self.source.poll_ready(cx, interest)
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

struct Task {
    #[allow(clippy::type_complexity, reason = "a box, and what keeps the thread for it")]
    future: Mutex<Option<(Pin<Box<dyn Future<Output = ()> + Send>>, User)>>,
    // While it is not done, it keeps the rest by its `User`. One that wakes itself while it
    // ends may be queued after the last look of a thread that retires, and must not keep what
    // it is queued in.
    background: Weak<Background>,
    queued: AtomicBool,
}

impl Task {
    fn run(self: Arc<Self>) {
        // Before the poll: a wake during it must queue the task again.
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(self.clone());
        let mut slot = self.future.lock();
        let Some((future, _)) = &mut *slot else { return };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        if let Ok(Poll::Pending) = polled {
            return;
        }
        let done = slot.take();
        drop(slot);
        isolated("a task", || drop(done));
        if polled.is_err() {
            log::error!("a task of the thread `policy-reaper` panicked; it is dropped");
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(background) = self.background.upgrade() else { return };
        background.state.lock().ready.push(self);
        background.reactor.notify();
    }
}
