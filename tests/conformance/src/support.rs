//! What the clauses share.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use policy::net::{TcpListener, TcpStream};
use policy::task::JoinHandle;
use policy::{ErrorKind, EventLoop, Runner};

use crate::{Make, Skipped};

pub(crate) use futures_lite::future::block_on;

/// How long a loop may take to shut down where a clause closes it properly.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(30);

/// Longer than anything takes on a loaded machine: a guard against hanging.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Long enough that nobody waits for it.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// Makes a loop; the policy is gone when it returns.
pub(crate) fn new_loop(make: Make<'_>) -> Arc<dyn EventLoop> {
    make().new_event_loop().expect("the policy makes a loop")
}

/// Calls `f` with a new loop, and closes it.
pub(crate) fn on_loop<R>(make: Make<'_>, f: impl FnOnce(&Arc<dyn EventLoop>) -> R) -> R {
    let event_loop = new_loop(make);
    let result = f(&event_loop);
    event_loop.close_within(SHUTDOWN).expect("a loop that is not running can be closed");
    result
}

/// Runs `future` as `policy::run` does, on a loop of the policy.
pub(crate) fn run<F: Future>(make: Make<'_>, future: F) -> F::Output {
    let mut runner = Runner::with_policy(make()).shutdown_limit(SHUTDOWN);
    let output = runner.run(future).expect("the future runs to its end");
    runner.close().expect("the runner closes");
    output
}

/// As [`run`], on a loop whose clock can be paused.
pub(crate) fn run_pausable<F: Future>(make: Make<'_>, future: F) -> F::Output {
    let mut runner = Runner::with_policy(make()).shutdown_limit(SHUTDOWN).pausable(true);
    let output = runner.run(future).expect("the future runs to its end");
    runner.close().expect("the runner closes");
    output
}

/// Runs `f` on a thread of its own, to the end of its thread-locals.
pub(crate) fn in_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(f).join()).unwrap_or_else(|payload| resume_unwind(payload))
}

/// Runs the loop on a thread of its own while `f` runs here.
pub(crate) fn driven<R>(event_loop: &Arc<dyn EventLoop>, f: impl FnOnce() -> R) -> R {
    /// Stops the loop also when `f` panics: the scope waits for its thread.
    struct Stop<'a>(&'a Arc<dyn EventLoop>);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    thread::scope(|scope| {
        let running = Gate::default();
        let opener = running.clone();
        let runs = scope.spawn(move || {
            event_loop.run_until_complete(async move {
                opener.open();
                std::future::pending::<()>().await;
            })
        });
        running.wait_blocking();
        let stop = Stop(event_loop);
        let result = f();
        drop(stop);
        let stopped = runs.join().expect("the loop does not panic");
        assert_eq!(kind(stopped), ErrorKind::StoppedBeforeComplete);
        result
    })
}

/// Gives the loop's own reason for not having local tasks.
pub(crate) fn needs_local_tasks(make: Make<'_>) -> Result<(), Skipped> {
    let refused = run(make, async { policy::try_spawn_local(async {}).map(drop) });
    match refused {
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(Skipped(error.to_string())),
        _ => Ok(()),
    }
}

/// Gives the loop's own reason for not being a selector, on which sockets stand.
pub(crate) fn needs_selector(make: Make<'_>) -> Result<(), Skipped> {
    match new_loop(make).selector() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Err(Skipped(error.to_string())),
        _ => Ok(()),
    }
}

/// Returns true if sockets, and children without a thread, can wait on the loop.
pub(crate) fn is_selector(event_loop: &Arc<dyn EventLoop>) -> bool {
    event_loop.selector().is_ok()
}

/// Runs `future` on a loop of the policy, if that is a selector.
pub(crate) fn on_selector(make: Make<'_>, future: impl Future<Output = ()>) -> Result<(), Skipped> {
    needs_selector(make)?;
    run(make, future);
    Ok(())
}

/// Makes a connection, and returns both ends.
pub(crate) async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// The kind of this crate's error inside an error of I/O.
pub(crate) fn inner_kind(error: &io::Error) -> Option<ErrorKind> {
    error.get_ref()?.downcast_ref().map(policy::Error::kind)
}

/// The kind of an error that must have been one.
pub(crate) fn kind<T>(result: Result<T, policy::Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && !message.ends_with('.'), "{message:?}");
            error.kind()
        }
    }
}

/// Waits until the task has ended, on whatever thread.
pub(crate) fn is_cancelled<T>(handle: JoinHandle<T>) -> bool {
    block_on(handle).is_err_and(|error| error.is_cancelled())
}

/// Something that happens once, and can be waited for on any executor.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.0.0.lock().unwrap();
            state.open = true;
            std::mem::take(&mut state.waiting)
        };
        self.0.1.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().open
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            let mut state = self.0.0.lock().unwrap();
            if state.open {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn wait_blocking(&self) {
        let mut state = self.0.0.lock().unwrap();
        while !state.open {
            state = self.0.1.wait(state).unwrap();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.is_open())
    }
}

/// A yes that comes from another thread or from a destructor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn set(&self) {
        self.0.store(true, SeqCst);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(SeqCst)
    }

    /// Returns something that sets the flag when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop<impl FnOnce() + Send + use<>> {
        let flag = self.clone();
        OnDrop::new(move || flag.set())
    }
}

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// What happened, in order, from any thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
