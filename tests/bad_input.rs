//! What nobody should do to a loop's queues, and somebody will: wakers that are kept, cloned
//! and used from odd places, tasks that never rest, deadlines without measure.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that fails panics")]

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy::signal::SignalKind;
use policy::task::{JoinHandle, yield_now};
use policy::time::{sleep, sleep_until};
use policy::{EventLoop, EventLoopPolicy};

const MANY: usize = 1_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn on_each_loop(story: impl Fn(&str, Arc<dyn EventLoop>)) {
    for name in policy::policy_names() {
        story(name, policy::from_name(name).unwrap().new_event_loop().unwrap());
    }
}

/// A task that counts its polls, and leaves its waker.
fn waits(event_loop: &Arc<dyn EventLoop>) -> (JoinHandle<()>, Arc<AtomicUsize>, Waker) {
    let (leave, left) = mpsc::channel();
    let polls = Arc::new(AtomicUsize::new(0));
    let counts = polls.clone();
    let task = event_loop.spawn(poll_fn(move |cx| {
        counts.fetch_add(1, SeqCst);
        drop(leave.send(cx.waker().clone()));
        Poll::Pending
    }));
    let polled = polls.clone();
    let run = event_loop.run_until_complete(async move {
        while polled.load(SeqCst) == 0 {
            yield_now().await;
        }
    });
    run.unwrap();
    (task, polls, left.recv().unwrap())
}

#[test]
fn a_million_clones_of_a_waker_wake_one_task_once() {
    on_each_loop(|name, event_loop| {
        let (task, polls, waker) = waits(&event_loop);
        let clones = vec![waker; MANY];
        // While nobody drives the loop, and from another thread. A loop with threads polls
        // meanwhile: each poll is one wake at least.
        thread::scope(|scope| {
            scope.spawn(|| clones.iter().for_each(Waker::wake_by_ref)).join().unwrap()
        });
        let before = polls.load(SeqCst);
        event_loop.run_until_complete(yield_now()).unwrap();
        if !event_loop.is_self_driving() {
            assert_eq!((before, polls.load(SeqCst)), (1, 2), "{name}");
        }
        task.abort();
        event_loop.close().unwrap();
        // By value: each takes its count back.
        clones.into_iter().for_each(Waker::wake);
        assert!(task.is_finished(), "{name}");
    });
}

/// Wakes when it is dropped.
struct WakesAtItsEnd(Waker);

impl Drop for WakesAtItsEnd {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// In the last moments of a thread: its other thread-locals may be gone.
fn wakes_as_a_thread_ends(waker: Waker) {
    thread_local! {
        static LAST: RefCell<Option<WakesAtItsEnd>> = const { RefCell::new(None) };
    }
    thread::spawn(move || {
        LAST.set(Some(WakesAtItsEnd(waker)));
        // Used after `LAST`, so it is destroyed before.
        policy::run(async { policy::spawn(yield_now()).await.unwrap() });
    })
    .join()
    .unwrap();
}

/// In a callback for a signal, of another loop.
fn wakes_where_a_signal_is_handled(waker: Waker) {
    let other = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let stopper = other.clone();
    let handler = other.add_signal_handler(SignalKind::user_defined2(), move || {
        waker.wake_by_ref();
        stopper.stop();
    });
    handler.unwrap();
    let kill = format!("kill -USR2 {}", std::process::id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    other.run_forever().unwrap();
    other.close().unwrap();
}

fn wakes_from_everywhere(waker: &Waker) {
    waker.wake_by_ref();
    thread::scope(|scope| scope.spawn(|| waker.wake_by_ref()).join().unwrap());
    wakes_as_a_thread_ends(waker.clone());
    wakes_where_a_signal_is_handled(waker.clone());
    drop(WakesAtItsEnd(waker.clone()));
}

#[test]
fn a_waker_works_from_everywhere_and_after_its_loop_does_nothing() {
    on_each_loop(|name, event_loop| {
        let (task, polls, waker) = waits(&event_loop);
        let before = polls.load(SeqCst);
        wakes_from_everywhere(&waker);
        event_loop
            .run_until_complete(async {
                while polls.load(SeqCst) == before {
                    yield_now().await;
                }
            })
            .unwrap();
        // Woken also by what is dropped while the loop closes.
        let held = WakesAtItsEnd(waker.clone());
        let destroyed = event_loop.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        event_loop.run_until_complete(yield_now()).unwrap();
        event_loop.close().unwrap();
        assert!(task.is_finished() && destroyed.is_finished(), "{name}");
        let polled = polls.load(SeqCst);
        wakes_from_everywhere(&waker);
        drop((event_loop, task, destroyed));
        wakes_from_everywhere(&waker);
        assert_eq!(polls.load(SeqCst), polled, "{name}");
    });
}

/// Wakes itself in each poll, and is never done.
fn restless() -> impl Future<Output = ()> {
    poll_fn(|cx: &mut Context<'_>| {
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

#[test]
fn tasks_that_wake_themselves_for_ever_keep_nobody() {
    on_each_loop(|name, event_loop| {
        let tasks: Vec<_> = (0..100).map(|_| event_loop.spawn(restless())).collect();
        let stopper = event_loop.clone();
        event_loop.call_later(Duration::from_millis(5), move || stopper.stop());
        event_loop.run_forever().unwrap();
        event_loop.run_until_complete(sleep(Duration::from_millis(5))).unwrap();
        let (one, rest) = tasks.split_first().unwrap();
        one.abort();
        event_loop
            .run_until_complete(async {
                while !one.is_finished() {
                    yield_now().await;
                }
            })
            .unwrap();
        event_loop.close_within(Duration::from_secs(30)).unwrap();
        assert!(rest.iter().all(JoinHandle::is_finished), "{name}");
    });
}

/// The last moment that an `Instant` can hold, to a second.
fn the_end() -> Instant {
    let mut end = Instant::now();
    for bit in (0..63).rev() {
        end = end.checked_add(Duration::from_secs(1 << bit)).unwrap_or(end);
    }
    end
}

#[test]
fn a_loop_sleeps_for_deadlines_without_measure() {
    on_each_loop(|name, event_loop| {
        let start = Instant::now();
        for deadline in [start + 500 * DAY, start + 36_500 * DAY, the_end()] {
            let late = event_loop.spawn(sleep_until(deadline));
            let call = event_loop.call_at(deadline, || unreachable!("too early"));
            // Nothing else is there to wait for: the executor's alarm is set to it.
            let (wake, waker) =
                (Arc::new(Mutex::new(None::<Waker>)), Arc::new(AtomicUsize::new(0)));
            let (place, done) = (wake.clone(), waker.clone());
            let wakes = thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                done.store(1, SeqCst);
                if let Some(waker) = place.lock().unwrap().take() {
                    waker.wake();
                }
            });
            event_loop
                .run_until_complete(poll_fn(|cx| {
                    *wake.lock().unwrap() = Some(cx.waker().clone());
                    if waker.load(SeqCst) == 1 { Poll::Ready(()) } else { Poll::Pending }
                }))
                .unwrap();
            wakes.join().unwrap();
            assert!(!late.is_finished(), "{name}");
            call.cancel();
            late.abort();
        }
        // Long ago, and in the order of their deadlines; a loop with threads may call the first
        // before there is a second.
        let order = Arc::new(Mutex::new(Vec::new()));
        let base = start.checked_sub(Duration::from_secs(2)).unwrap_or(start);
        for late in [1, 0] {
            let order = order.clone();
            event_loop.call_at(base + Duration::from_secs(late), move || {
                order.lock().unwrap().push(late)
            });
        }
        event_loop.run_until_complete(sleep(Duration::from_millis(5))).unwrap();
        let mut order = order.lock().unwrap().clone();
        if event_loop.is_self_driving() {
            order.sort_unstable();
        }
        assert_eq!(order, [0, 1], "{name}");
        event_loop.close().unwrap();
    });
}

#[test]
fn callbacks_of_one_deadline_come_in_the_order_of_making_however_many() {
    // Those that are made after the deadline has come have it as well: a keeper that took its
    // last alarm for theirs slept for ever.
    // A million, in the queue by itself: core/src/heart/timers/tests.rs.
    const CALLS: usize = MANY / 20;
    for name in ["default", "tokio:multi_thread", "smol:multi_thread", "async-std"] {
        let Ok(policy) = policy::from_name(name) else { continue };
        let event_loop = policy.new_event_loop().unwrap();
        let deadline = event_loop.time() + Duration::from_millis(50);
        let next = Arc::new(AtomicUsize::new(0));
        let wrong = Arc::new(AtomicUsize::new(0));
        for number in 0..CALLS {
            let (next, wrong) = (next.clone(), wrong.clone());
            event_loop.call_at(deadline, move || {
                wrong.fetch_add(usize::from(next.fetch_add(1, SeqCst) != number), SeqCst);
            });
        }
        let mut end = std::pin::pin!(async {
            while next.load(SeqCst) < CALLS {
                sleep(Duration::from_millis(1)).await;
            }
        });
        event_loop.run_until_complete(poll_fn(|cx| Pin::new(&mut end).poll(cx))).unwrap();
        assert_eq!(wrong.load(SeqCst), 0, "{name}");
        event_loop.close().unwrap();
    }
}
