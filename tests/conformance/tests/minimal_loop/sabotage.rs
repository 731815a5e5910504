//! Minimal loops that break the contract, each in one way.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use policy::core::task::Task;
use policy::core::{Job, LoopState, Timer};
use policy::{ContextPolicy, Error, EventLoop, EventLoopPolicy};

use super::{Entry, MainWaker, MinimalLoop};

/// A policy of loops that are broken in one way.
pub(crate) fn policy(sabotage: Sabotage) -> Arc<dyn EventLoopPolicy> {
    let make = move || {
        let (inner, count) = (MinimalLoop::new(), AtomicUsize::new(0));
        Ok(Arc::new(Broken { inner, sabotage, count }) as Arc<dyn EventLoop>)
    };
    Arc::new(ContextPolicy::new(make, policy::Context::thread()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Every second task is never woken.
    LosesWakeUps,
    /// Once it is asleep, it wakes for main only.
    SleepsThroughWakeUps,
    /// Every hundredth task is dropped.
    LosesTasks,
    /// Main is polled only when no task is left.
    StarvesMain,
    /// The last task that was woken runs, and none besides.
    StarvesTasks,
    EarlyTimers,
    UnorderedTimers,
    /// Closing drops nothing.
    KeepsTasks,
    /// Blocking jobs run where they are asked for.
    BlocksItself,
    /// The run ends in a panic of the loop's own.
    Panics,
    NeverRunsTasks,
}

struct Broken {
    inner: MinimalLoop,
    sabotage: Sabotage,
    count: AtomicUsize,
}

impl Broken {
    /// Returns true once in so many calls.
    fn every(&self, times: usize) -> bool {
        self.count.fetch_add(1, SeqCst) % times == times - 1
    }

    /// Takes a task as the loop does that is whole, but its waker does nothing.
    fn submit_asleep(&self, task: Task, ready: bool) {
        let (id, queued) = (task.id(), AtomicBool::new(true));
        let task = Mutex::new(Some(task));
        let entry = Arc::new(Entry { id, task, queued, shared: Weak::new() });
        let mut queue = self.inner.shared.queue.lock().unwrap();
        queue.alive.insert(entry.id, entry.clone());
        if ready {
            queue.ready.push_back(entry);
            self.inner.shared.changed.notify_all();
        }
    }

    /// As the loop does that is whole, but for whom it wakes and whom it polls.
    fn drive_unfairly(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let shared = &self.inner.shared;
        let waker = Waker::from(Arc::new(MainWaker(Arc::downgrade(shared))));
        let sleeps_on = self.sabotage == Sabotage::SleepsThroughWakeUps;
        shared.queue.lock().unwrap().main_woken = true;
        loop {
            let (main_woken, batch) = {
                let mut queue = shared.queue.lock().unwrap();
                let mut asleep = queue.ready.is_empty();
                while asleep && !queue.main_woken {
                    queue = shared.changed.wait(queue).unwrap();
                    asleep = sleeps_on || queue.ready.is_empty();
                }
                let batch: VecDeque<_> = match self.sabotage {
                    Sabotage::StarvesTasks => queue.ready.pop_back().into_iter().collect(),
                    _ => std::mem::take(&mut queue.ready),
                };
                (std::mem::take(&mut queue.main_woken), batch)
            };
            if main_woken && main.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                shared.queue.lock().unwrap().ready.extend(batch);
                return Ok(());
            }
            batch.iter().for_each(|entry| self.inner.poll(entry));
        }
    }
}

impl EventLoop for Broken {
    fn state(&self) -> &LoopState {
        self.inner.state()
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let queue = &self.inner.shared.queue;
        match self.sabotage {
            Sabotage::Panics => unreachable!("sabotaged"),
            Sabotage::StarvesMain => {
                let starved = pin!(poll_fn(|cx: &mut Context<'_>| {
                    if queue.lock().unwrap().alive.is_empty() {
                        return main.as_mut().poll(cx);
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }));
                self.inner.drive(starved)
            }
            Sabotage::StarvesTasks | Sabotage::SleepsThroughWakeUps => self.drive_unfairly(main),
            _ => self.inner.drive(main),
        }
    }

    fn submit(&self, task: Task) -> Result<(), Error> {
        match self.sabotage {
            Sabotage::LosesTasks if self.every(100) => drop(task),
            Sabotage::LosesWakeUps if self.every(2) => self.submit_asleep(task, true),
            Sabotage::NeverRunsTasks => self.submit_asleep(task, false),
            _ => return self.inner.submit(task),
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        if self.sabotage == Sabotage::BlocksItself {
            job.run();
            return Ok(());
        }
        self.inner.submit_blocking(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        let deadline = match self.sabotage {
            Sabotage::EarlyTimers => deadline.checked_sub(Duration::from_millis(2)),
            Sabotage::UnorderedTimers => {
                let late = (self.count.fetch_add(1, SeqCst) as u64 * 37) % 100;
                deadline.checked_add(Duration::from_millis(late))
            }
            _ => Some(deadline),
        };
        self.inner.timer(deadline.unwrap_or_else(Instant::now))
    }

    fn shutdown(&self, limit: Duration) {
        if self.sabotage == Sabotage::KeepsTasks {
            let tasks = std::mem::take(&mut self.inner.shared.queue.lock().unwrap().alive);
            return std::mem::forget(tasks);
        }
        self.inner.shutdown(limit);
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
