//! Threads that do jobs of one kind, and end when there are none.

use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::local::Generation;
use crate::sync::{Condvar, Mutex};

/// A pool of threads, which all loops of the process share.
pub struct Threads<J: 'static> {
    name: &'static str,
    /// How long a thread waits for another job before it ends.
    linger: Duration,
    /// Does a job, and never panics.
    run: fn(J),
    /// The first pool of the process, and after it those of forked children.
    pools: OnceLock<Pool<J>>,
}

struct Pool<J: 'static> {
    /// Of the process whose threads these are. In a forked child they are not there, and
    /// perhaps a lock that nobody opens any more.
    generation: Generation,
    state: Mutex<State<J>>,
    more: Condvar,
    /// That of the child. The parent's jobs are neither run there nor dropped.
    next: OnceLock<Box<Self>>,
}

struct State<J> {
    queue: VecDeque<J>,
    threads: usize,
    idle: usize,
}

impl<J: Send> Threads<J> {
    /// Makes a pool without threads.
    pub const fn new(name: &'static str, linger: Duration, run: fn(J)) -> Self {
        Self { name, linger, run, pools: OnceLock::new() }
    }

    /// Gives a job to a thread; to one more, if all of less than `most` are at work.
    ///
    /// # Errors
    /// Hands the job back if there is no thread, and none can be started.
    pub fn submit(&'static self, job: J, most: usize) -> Result<(), (io::Error, J)> {
        let pool = self.of_this_process();
        let mut state = pool.state.lock();
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            drop(state);
            // Not where all are at work, who look again by themselves: telling nobody still is a
            // system call.
            pool.more.notify_one();
            return Ok(());
        }
        if state.threads < most {
            // Under the lock: a thread that starts takes it next, and no second
            // thread is started for the same job.
            let started = thread::Builder::new().name(self.name.into()).spawn(|| self.work(pool));
            match started {
                Ok(_detached) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    let refused = state.queue.pop_back();
                    drop(state);
                    return refused.map_or(Ok(()), |job| Err((error, job)));
                }
                // Those that are there will come to it.
                Err(error) => {
                    log::warn!("can't start a thread `{}`, so a job waits: {error}", self.name)
                }
            }
        }
        Ok(())
    }

    fn of_this_process(&self) -> &Pool<J> {
        let generation = Generation::current();
        let mut pool = self.pools.get_or_init(|| Pool::new(generation));
        while pool.generation != generation {
            pool = pool.next.get_or_init(|| Box::new(Pool::new(generation)));
        }
        pool
    }

    fn work(&self, pool: &Pool<J>) {
        let mut state = pool.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                (self.run)(job);
                state = pool.state.lock();
                continue;
            }
            state.idle += 1;
            let has_more;
            (state, has_more) =
                pool.more.wait_for(state, self.linger, |state| state.queue.is_empty());
            state.idle -= 1;
            // Counted out under the lock under which the queue was seen to be empty:
            // a job that comes later finds no idle thread, and gets a new one.
            if !has_more {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl<J> Pool<J> {
    fn new(generation: Generation) -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, idle: 0 };
        Self { generation, state: Mutex::new(state), more: Condvar::new(), next: OnceLock::new() }
    }
}

impl<J> std::fmt::Debug for Threads<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("name", &self.name).finish_non_exhaustive()
    }
}
