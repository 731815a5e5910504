//! An epoll instance and a queue of tasks, served by one thread.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use policy_core::{Error, Interest, Source, local::fork_generation};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

use crate::process::sys;
use crate::process::wakers::{isolated, lock};

/// How long the thread stays when there is nothing to do: programs that start one
/// child after another should not pay for a thread each time.
const LINGER: Duration = Duration::from_millis(100);

/// The event of the alarm itself.
const ALARM: u64 = 0;

static CURRENT: Mutex<Option<Arc<Reactor>>> = Mutex::new(None);

struct Reactor {
    epoll: OwnedFd,
    alarm: OwnedFd,
    /// A forked copy of the process has not the thread.
    generation: u64,
    /// Sources, tasks and timers: the thread stays while there are any. Grows only
    /// under the lock of [`CURRENT`] or on behalf of another user.
    users: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    sources: HashMap<u64, Arc<Registered>>,
    ready: Vec<Arc<Task>>,
    timers: BTreeMap<(Instant, u64), (Waker, User)>,
}

/// Keeps the thread.
struct User(Arc<Reactor>);

impl Drop for User {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // So that the time it lingers begins.
            self.0.ring();
        }
    }
}

/// Registers a descriptor; see [`policy_core::Selector::register`].
///
/// # Errors
/// [`ErrorKind::Io`](policy_core::ErrorKind::Io) at the system's limits.
pub(in crate::process) fn register(fd: Arc<OwnedFd>) -> Result<Box<dyn Source>, Error> {
    let user = acquire().map_err(no_thread)?;
    let registered = Arc::new(Registered { fd, wakers: Mutex::default() });
    let id = {
        let mut state = lock(&user.0.state);
        state.last_id += 1;
        let id = state.last_id;
        state.sources.insert(id, registered.clone());
        id
    };
    let flags = EventFlags::ONESHOT;
    if let Err(error) = epoll::add(&user.0.epoll, &registered.fd, EventData::new_u64(id), flags) {
        lock(&user.0.state).sources.remove(&id);
        return Err(Error::io(
            "can't wait for a descriptor; close others, or raise the limits of epoll",
            error.into(),
        ));
    }
    Ok(Box::new(BackgroundSource { user, id, registered }))
}

/// Runs a task on the thread. A task that panics is logged and dropped.
///
/// # Errors
/// [`ErrorKind::Io`](policy_core::ErrorKind::Io) if there can be no thread.
pub(in crate::process) fn spawn(
    future: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let user = acquire().map_err(no_thread)?;
    let reactor = Arc::downgrade(&user.0);
    let task = Arc::new(Task {
        future: Mutex::new(Some((Box::pin(future), user))),
        reactor,
        queued: AtomicBool::new(false),
    });
    task.wake();
    Ok(())
}

/// Wakes a task when some time has passed, or at once if there can be no thread.
pub(in crate::process) fn wake_after(delay: Duration, waker: Waker) {
    let Ok(user) = acquire() else { return waker.wake() };
    let reactor = user.0.clone();
    let mut state = lock(&reactor.state);
    state.last_id += 1;
    let key = (Instant::now() + delay, state.last_id);
    state.timers.insert(key, (waker, user));
    drop(state);
    reactor.ring();
}

fn no_thread(error: io::Error) -> Error {
    Error::io("can't start the thread `policy-reaper`; raise the limit of threads", error)
}

/// Returns the reactor, and starts its thread if there is none.
fn acquire() -> io::Result<User> {
    let mut current = lock(&CURRENT);
    if let Some(reactor) = current.as_ref().filter(|found| found.generation == fork_generation()) {
        reactor.users.fetch_add(1, Ordering::AcqRel);
        return Ok(User(reactor.clone()));
    }
    let reactor = Arc::new(Reactor::new()?);
    let on_thread = reactor.clone();
    std::thread::Builder::new().name("policy-reaper".into()).spawn(move || {
        sys::block_signals();
        on_thread.run();
    })?;
    *current = Some(reactor.clone());
    Ok(User(reactor))
}

impl Reactor {
    /// Makes a reactor with one user.
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered: the counter is never read.
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM), flags)?;
        Ok(Self {
            epoll,
            alarm,
            generation: fork_generation(),
            users: AtomicUsize::new(1),
            state: Mutex::default(),
        })
    }

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
        let mut current = lock(&CURRENT);
        if self.users.load(Ordering::Acquire) > 0 {
            return false;
        }
        if current.as_ref().is_some_and(|found| Arc::ptr_eq(found, self)) {
            *current = None;
        }
        true
    }

    fn run_ready(&self) {
        let ready = std::mem::take(&mut lock(&self.state).ready);
        for task in ready {
            task.run();
        }
    }

    /// Wakes whose time has come, and returns how long it is until the next.
    fn fire_timers(&self) -> Option<Duration> {
        loop {
            let mut state = lock(&self.state);
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
            isolated("a waker", || waker.wake());
            drop(user);
        }
    }

    /// Waits for events and wakes who waits for them.
    fn turn(&self, limit: Option<Duration>) {
        // Rounded up: a timer that is woken too early makes another turn.
        let limit = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs().min(3600) as i64,
            tv_nsec: limit.subsec_nanos().into(),
        });
        let mut events = Vec::with_capacity(256);
        let events = match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            limit.as_ref(),
        ) {
            Ok(_) => events,
            Err(_) => return,
        };
        for event in events {
            let (id, flags) = (event.data.u64(), event.flags);
            let registered = lock(&self.state).sources.get(&id).cloned();
            if let Some(registered) = registered {
                registered.notify(self, id, flags);
            }
        }
    }

    fn ring(&self) {
        // Full only if it rang 2^64 - 2 times.
        let _rung = rustix::io::write(&self.alarm, &1u64.to_ne_bytes());
    }
}

/// Who waits for a descriptor: to read, and to write.
struct Registered {
    fd: Arc<OwnedFd>,
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Registered {
    fn notify(&self, reactor: &Reactor, id: u64, flags: EventFlags) {
        let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let mut wakers = lock(&self.wakers);
        let [read, write] = &mut *wakers;
        let woken = [
            read.take_if(|_| broken || flags.contains(EventFlags::IN)),
            write.take_if(|_| broken || flags.contains(EventFlags::OUT)),
        ];
        let mut left = [None, None];
        if read.is_some() || write.is_some() {
            // If that fails the other direction is woken too, and tries itself.
            if self.arm(reactor, id, &wakers).is_err() {
                left = std::mem::take(&mut *wakers);
            }
        }
        drop(wakers);
        for waker in woken.into_iter().chain(left).flatten() {
            isolated("a waker", || waker.wake());
        }
    }

    fn arm(&self, reactor: &Reactor, id: u64, wakers: &[Option<Waker>; 2]) -> io::Result<()> {
        let [read, write] = wakers;
        let mut flags = EventFlags::ONESHOT;
        flags.set(EventFlags::IN, read.is_some());
        flags.set(EventFlags::OUT, write.is_some());
        Ok(epoll::modify(&reactor.epoll, &self.fd, EventData::new_u64(id), flags)?)
    }
}

struct BackgroundSource {
    user: User,
    id: u64,
    registered: Arc<Registered>,
}

impl Source for BackgroundSource {
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match op(self.registered.fd.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
        // Before the lock, as what is dropped after it: either may run any code.
        let waker = cx.waker().clone();
        let mut wakers = lock(&self.registered.wakers);
        let [read, write] = &mut *wakers;
        let mine = match interest {
            Interest::Readable => read,
            Interest::Writable => write,
        };
        let former = mine.replace(waker);
        // Level-triggered: what became ready since `op` gave up is told at once.
        let armed = self.registered.arm(&self.user.0, self.id, &wakers);
        drop(wakers);
        drop(former);
        match armed {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for BackgroundSource {
    fn drop(&mut self) {
        let _gone = epoll::delete(&self.user.0.epoll, &self.registered.fd);
        lock(&self.user.0.state).sources.remove(&self.id);
    }
}

impl std::fmt::Debug for BackgroundSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackgroundSource").field("fd", &self.registered.fd).finish()
    }
}

struct Task {
    #[allow(clippy::type_complexity, reason = "a box, and what keeps the thread for it")]
    future: Mutex<Option<(Pin<Box<dyn Future<Output = ()> + Send>>, User)>>,
    // While it is not done, it keeps the reactor by its `User`. One that wakes itself while it
    // ends may be queued after the last look of a thread that retires, and must not keep what
    // it is queued in.
    reactor: Weak<Reactor>,
    queued: AtomicBool,
}

impl Task {
    fn run(self: Arc<Self>) {
        // Before the poll: a wake during it must queue the task again.
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(self.clone());
        let mut slot = lock(&self.future);
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
        let Some(reactor) = self.reactor.upgrade() else { return };
        lock(&reactor.state).ready.push(self);
        reactor.ring();
    }
}
