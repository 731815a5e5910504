//! The ready queue and its mail, on a loop that is run and closed, while other threads spawn, wake,
//! abort and stop: 10,000 schedules of each story, by chance.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p event-loop-policy-core --test shuttle`
//!
//! shuttle decides at each use of a lock or an atomic which thread goes on. It reports threads that
//! wait for each other, which is how a wake-up that is lost is seen. The seed is printed: with
//! `SHUTTLE_SEED` the same schedules come again; `SHUTTLE_SCHEDULES` is how many.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::future::{Future, pending, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use policy_core::task::{AbortHandle, JoinHandle};
use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Timer};
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

/// The least loop: a place to sleep.
#[derive(Debug)]
struct Least {
    state: LoopState,
}

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl EventLoop for Least {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(bell.clone());
        while main.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            let mut rung = bell.rung.lock().unwrap();
            while !std::mem::take(&mut *rung) {
                rung = bell.changed.wait(rung).unwrap();
            }
        }
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        drop(job);
        Err(ErrorKind::Unsupported.into())
    }

    fn timer(&self, _deadline: Instant) -> Result<Timer, Error> {
        Ok(Timer::new(pending()))
    }

    fn shutdown(&self, _limit: Duration) {}
}

fn new_loop() -> Arc<dyn EventLoop> {
    Arc::new(Least { state: LoopState::new("least", LoopKind::Selector) })
}

/// Each story by two schedulers: one that draws a thread at each step, and one that finds what
/// needs few changes at the right moments.
fn schedules(story: impl Fn() + Send + Sync + 'static) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seed = number("SHUTTLE_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let count = number("SHUTTLE_SCHEDULES").unwrap_or(10_000) as usize;
    println!("SHUTTLE_SEED={seed}");
    let story = Arc::new(story);
    let again = story.clone();
    let scheduler = RandomScheduler::new_from_seed(seed, count / 2);
    shuttle::Runner::new(scheduler, shuttle::Config::new()).run(move || again());
    let scheduler = PctScheduler::new_from_seed(seed, 3, count / 2);
    shuttle::Runner::new(scheduler, shuttle::Config::new()).run(move || story());
}

async fn yield_now() {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// A task that leaves its waker and never ends, and a word that it holds while it is there.
fn sleeper(
    event_loop: &Arc<dyn EventLoop>,
    wakers: &Arc<Mutex<Vec<Waker>>>,
    token: &Arc<()>,
) -> JoinHandle<()> {
    let (wakers, token) = (wakers.clone(), token.clone());
    event_loop.spawn(async move {
        let _held = token;
        poll_fn(|cx| {
            wakers.lock().unwrap().push(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    })
}

// Closing loses no task: each handle ends, and each future is dropped.
#[test]
fn closing_ends_every_task_beside_wakers_spawners_and_aborters() {
    schedules(|| {
        let (event_loop, token) = (new_loop(), Arc::new(()));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let early: Vec<_> = (0..2).map(|_| sleeper(&event_loop, &wakers, &token)).collect();
        let aborts: Vec<AbortHandle> = early.iter().map(JoinHandle::abort_handle).collect();
        let spawns = thread::spawn({
            let (event_loop, wakers, token) = (event_loop.clone(), wakers.clone(), token.clone());
            move || {
                let spawned: Vec<_> =
                    (0..2).map(|_| sleeper(&event_loop, &wakers, &token)).collect();
                let quick = event_loop.spawn({
                    let token = token.clone();
                    async move {
                        yield_now().await;
                        drop(token);
                    }
                });
                (spawned, quick)
            }
        });
        let wakes = thread::spawn({
            let wakers = wakers.clone();
            move || {
                for _ in 0..2 {
                    let taken = std::mem::take(&mut *wakers.lock().unwrap());
                    taken.iter().for_each(Waker::wake_by_ref);
                    thread::yield_now();
                }
            }
        });
        let aborting = thread::spawn(move || aborts.iter().for_each(AbortHandle::abort));
        event_loop
            .run_until_complete(async {
                yield_now().await;
                yield_now().await;
            })
            .unwrap();
        event_loop.close().unwrap();
        let (spawned, quick) = spawns.join().unwrap();
        for thread in [wakes, aborting] {
            thread.join().unwrap();
        }
        // At once: nobody has to wait for it.
        for handle in early.into_iter().chain(spawned) {
            assert!(handle.is_finished(), "a task of a closed loop has no end");
            assert!(block_on(handle).unwrap_err().is_cancelled());
        }
        assert!(quick.is_finished());
        drop(quick);
        wakers.lock().unwrap().clear();
        assert_eq!(Arc::strong_count(&token), 1, "a future was not dropped");
    });
}

// The mail: what comes from other threads wakes the loop, however late that is.
#[test]
fn what_other_threads_add_is_run_and_wakes_the_loop() {
    schedules(|| {
        let event_loop = new_loop();
        let (send, mut receive) = channel::<u32>();
        let threads: Vec<_> = (1..=3)
            .map(|number| {
                let (event_loop, send) = (event_loop.clone(), send.clone());
                thread::spawn(move || match number {
                    // A callback, a task, and a waker of main's alone.
                    1 => drop(event_loop.call_soon(move || send.send(number))),
                    2 => drop(event_loop.spawn(async move {
                        yield_now().await;
                        send.send(number);
                    })),
                    _ => send.send(number),
                })
            })
            .collect();
        let sum = event_loop.run_until_complete(async move {
            let mut sum = 0;
            for _ in 0..3 {
                sum += receive.next().await;
            }
            sum
        });
        assert_eq!(sum.unwrap(), 6);
        for thread in threads {
            thread.join().unwrap();
        }
        event_loop.close().unwrap();
    });
}

// Between two runs, and while one begins or ends, the mail keeps what comes.
#[test]
fn what_comes_between_runs_is_run_by_the_next() {
    schedules(|| {
        let event_loop = new_loop();
        let adds = thread::spawn({
            let event_loop = event_loop.clone();
            move || {
                let first = event_loop.spawn(yield_now());
                let second = event_loop.spawn(async { 2 });
                (first, second)
            }
        });
        for _ in 0..3 {
            event_loop.run_until_complete(yield_now()).unwrap();
        }
        let (first, second) = adds.join().unwrap();
        let both = event_loop.run_until_complete(async move {
            first.await.unwrap();
            second.await.unwrap()
        });
        assert_eq!(both.unwrap(), 2);
        event_loop.close().unwrap();
    });
}

// A stop is seen, whether the loop sleeps or is about to.
#[test]
fn a_stop_ends_a_run_that_sleeps() {
    schedules(|| {
        let event_loop = new_loop();
        let stops = thread::spawn({
            let event_loop = event_loop.clone();
            move || event_loop.stop()
        });
        event_loop.run_forever().unwrap();
        stops.join().unwrap();
        event_loop.close().unwrap();
    });
}

// Who waits elsewhere for a task learns its end: its own, an abort's, or the loop's.
#[test]
fn who_joins_from_another_thread_is_told() {
    schedules(|| {
        let event_loop = new_loop();
        let (quick, slow) = (event_loop.spawn(yield_now()), event_loop.spawn(pending::<()>()));
        let abort = slow.abort_handle();
        let joins = thread::spawn(move || block_on(quick).is_ok() as u8);
        let waits = thread::spawn(move || u8::from(block_on(slow).unwrap_err().is_cancelled()));
        let aborts = thread::spawn(move || abort.abort());
        event_loop.run_until_complete(async { yield_now().await }).unwrap();
        event_loop.close().unwrap();
        joins.join().unwrap();
        assert_eq!(waits.join().unwrap(), 1);
        aborts.join().unwrap();
    });
}

/// The least channel, of shuttle's own locks.
struct Sender<T>(Arc<Mutex<(Vec<T>, Option<Waker>)>>);
struct Receiver<T>(Arc<Mutex<(Vec<T>, Option<Waker>)>>);

fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new((Vec::new(), None)));
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Sender<T> {
    fn send(&self, value: T) {
        let waker = {
            let mut shared = self.0.lock().unwrap();
            shared.0.push(value);
            shared.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    async fn next(&mut self) -> T {
        poll_fn(|cx| {
            let mut shared = self.0.lock().unwrap();
            match shared.0.pop() {
                Some(value) => Poll::Ready(value),
                None => {
                    shared.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
