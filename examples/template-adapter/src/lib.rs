//! The least that is an event loop: a condition variable to sleep on, and a thread that
//! keeps the time. It keeps every promise of the contract; docs/writing-an-adapter.md goes
//! through it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, EventLoop, EventLoopPolicy, LoopKind};

/// Where the thread that drives a loop sleeps, and what wakes it.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !mem::take(&mut *rung) {
            rung = self.changed.wait(rung).unwrap();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// The clock of all minimal loops: a heap, and a thread that wakes what is due.
#[derive(Default)]
struct Clock {
    timers: Mutex<Timers>,
    changed: Condvar,
}

#[derive(Default)]
struct Timers {
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    wakers: HashMap<usize, Waker>,
    last: usize,
}

static CLOCK: LazyLock<Arc<Clock>> = LazyLock::new(|| {
    let clock = Arc::<Clock>::default();
    let ticks = clock.clone();
    thread::spawn(move || ticks.run());
    clock
});

impl Clock {
    fn run(&self) {
        let mut timers = self.timers.lock().unwrap();
        loop {
            let now = Instant::now();
            match timers.due.peek().map(|Reverse((due, _))| *due) {
                Some(due) if due <= now => {
                    let first = timers.due.pop();
                    let waker = first.and_then(|Reverse((_, key))| timers.wakers.remove(&key));
                    drop(timers);
                    waker.into_iter().for_each(Waker::wake);
                    timers = self.timers.lock().unwrap();
                }
                Some(due) => timers = self.changed.wait_timeout(timers, due - now).unwrap().0,
                None => timers = self.changed.wait(timers).unwrap(),
            }
        }
    }
}

fn timer(deadline: Instant) -> Timer {
    let mut key = None;
    Timer::new(poll_fn(move |cx| {
        let mut timers = CLOCK.timers.lock().unwrap();
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        let key = *key.get_or_insert_with(|| {
            timers.last += 1;
            let key = timers.last;
            timers.due.push(Reverse((deadline, key)));
            key
        });
        timers.wakers.insert(key, cx.waker().clone());
        CLOCK.changed.notify_all();
        Poll::Pending
    }))
}

#[derive(Debug)]
struct MinimalLoop {
    state: LoopState,
}

impl EventLoop for MinimalLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(bell.clone());
        while main.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            bell.wait();
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        match thread::Builder::new().spawn(move || job.run()) {
            Ok(_detached) => Ok(()),
            Err(error) => Err(Error::io("can't start a thread; end others", error)),
        }
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timer(deadline))
    }

    fn shutdown(&self, _limit: Duration) {}
}

/// A policy that makes one minimal loop per thread.
pub fn policy() -> Arc<dyn EventLoopPolicy> {
    let make = || {
        let state = LoopState::new("minimal", LoopKind::Selector);
        Ok(Arc::new(MinimalLoop { state }) as Arc<dyn EventLoop>)
    };
    Arc::new(ContextPolicy::new(make, policy::context::Context::thread()))
}
