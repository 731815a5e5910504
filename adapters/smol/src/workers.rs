//! The threads that run a loop's tasks while nobody drives it.

use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_executor::Executor;
use policy_async_io::MOMENT;
use policy_core::limits::ThreadOptions;
use policy_core::sync::{Condvar, Mutex};
use policy_core::{Error, EventLoop, context};

use crate::options;

#[derive(Debug, Default)]
pub(crate) struct Workers {
    threads: Mutex<Vec<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    /// What wakes the workers when they should stop.
    wakers: Mutex<Vec<Waker>>,
    alive: Mutex<usize>,
    ended: Condvar,
}

impl Workers {
    /// Starts `count` threads. They do not keep the loop open.
    ///
    /// # Errors
    /// If the system refuses one; those that were started run on until
    /// [`stop`](Self::stop).
    pub(crate) fn start(
        &self,
        count: NonZeroUsize,
        event_loop: &Weak<dyn EventLoop>,
        executor: &Arc<Executor<'static>>,
        options: &ThreadOptions,
    ) -> Result<(), Error> {
        let mut threads = self.threads.lock();
        for index in 0..count.get() {
            let event_loop = event_loop.clone();
            // Weak until it has begun: whoever closes the loop before that waits for
            // nothing, and drops the tasks.
            let executor = Arc::downgrade(executor);
            let shared = self.shared.clone();
            let own = options.clone();
            let thread = options::thread(options, index)
                .spawn(move || work(event_loop, &executor, shared, &own))
                .map_err(|error| {
                    Error::io(
                        format!(
                            "can't start worker thread {index} of {count}; ask for fewer, or for smaller stacks, or raise the limit (`ulimit -u`)"
                        ),
                        error,
                    )
                })?;
            threads.push(thread);
        }
        Ok(())
    }

    /// Stops the threads, and waits for them, at most for `limit` (and a moment);
    /// on one of them it does not wait. Returns true if all have ended.
    pub(crate) fn stop(&self, limit: Duration) -> bool {
        self.shared.stop();
        // Outside the lock: a worker that ends may drop tasks that come here.
        let threads = std::mem::take(&mut *self.threads.lock());
        let this = thread::current().id();
        if threads.iter().any(|thread| thread.thread().id() == this) {
            return false;
        }
        if !self.shared.wait(limit.max(MOMENT)) {
            return false;
        }
        // On Windows a loop that goes with its thread comes here under the loader's
        // lock, which every thread needs to end: joining there would wait for ever.
        if cfg!(not(windows)) {
            for thread in threads {
                // It has nothing left to do but to end, and it never panics.
                let _ended = thread.join();
            }
        }
        true
    }
}

fn work(
    event_loop: Weak<dyn EventLoop>,
    executor: &Weak<Executor<'static>>,
    shared: Arc<Shared>,
    options: &ThreadOptions,
) {
    let Some(alive) = Alive::begin(shared) else { return };
    let Some(executor) = executor.upgrade() else { return };
    let entered = context::enter_worker(event_loop);
    // Inside of the loop, as its tasks are.
    let hooks = options::enter(options);
    async_io::block_on(executor.run(alive.shared.stopped()));
    // Here, while the loop is entered: the last to let go drops the tasks.
    drop(executor);
    drop(hooks);
    drop(entered);
}

impl Shared {
    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.wakers.lock());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Resolves when the workers should stop. Polled whenever a worker wakes, so
    /// it costs one load then.
    fn stopped(&self) -> impl Future<Output = ()> {
        let mut registered = false;
        poll_fn(move |cx| {
            if !registered {
                // A worker's waker stays the same: it is its own `block_on`'s.
                let waker = cx.waker().clone();
                self.wakers.lock().push(waker);
                registered = true;
            }
            match self.stopping.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }

    /// Returns true once no worker is alive, false when `limit` is over.
    fn wait(&self, limit: Duration) -> bool {
        self.ended.wait_for(self.alive.lock(), limit, |alive| *alive > 0).1
    }
}

/// A worker's place in the count.
struct Alive {
    shared: Arc<Shared>,
}

impl Alive {
    /// Counts this worker, unless it comes too late.
    fn begin(shared: Arc<Shared>) -> Option<Self> {
        let mut alive = shared.alive.lock();
        // Asked under the lock under which `wait` looks: it waits for this one, or
        // this one sees that it should stop.
        if shared.stopping.load(Ordering::SeqCst) {
            return None;
        }
        *alive += 1;
        drop(alive);
        Some(Self { shared })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        *self.shared.alive.lock() -= 1;
        self.shared.ended.notify_all();
    }
}
