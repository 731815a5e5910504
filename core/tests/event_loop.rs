//! What the methods of `dyn EventLoop` promise, on the smallest loop there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use policy_core::task::{self, JoinHandle};
use policy_core::{
    Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Timer, blocking::Gauge, context,
    tracker::Tracker,
};

use common::{OnDrop, TinyLoop};

/// A guard against hanging, never a measurement.
const LONG: Duration = Duration::from_secs(60);

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.kind(),
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Runs the loop for ever on a thread, until the guard is dropped.
fn run_elsewhere(event_loop: &Arc<dyn EventLoop>) -> impl Drop + use<> {
    let (sender, receiver) = channel();
    let running = event_loop.spawn(async move { sender.send(()).unwrap() });
    let runner = thread::spawn({
        let event_loop = event_loop.clone();
        move || event_loop.run_forever().unwrap()
    });
    receiver.recv_timeout(LONG).unwrap();
    drop(running);
    let (event_loop, mut runner) = (event_loop.clone(), Some(runner));
    OnDrop(move || {
        event_loop.stop();
        runner.take().unwrap().join().unwrap();
    })
}

#[test]
fn a_run_gives_the_result_and_leaves_other_tasks_for_the_next() {
    let event_loop = TinyLoop::new();
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = event_loop.spawn({
        let turns = turns.clone();
        async move {
            for _ in 0..10 {
                turns.fetch_add(1, SeqCst);
                yield_now().await;
            }
        }
    });
    assert_eq!(event_loop.run_until_complete(ready(1)).unwrap(), 1);
    let after_the_first = turns.load(SeqCst);
    assert!(after_the_first < 10 && !counter.is_finished());
    event_loop.run_until_complete(counter).unwrap().unwrap();
    assert_eq!(turns.load(SeqCst), 10);
}

#[test]
fn a_closed_loop_is_not_run_and_takes_nothing() {
    let event_loop = TinyLoop::new();
    event_loop.close().unwrap();
    assert!(event_loop.is_closed());
    let never = || async { panic!("polled") };
    assert_eq!(kind(event_loop.run_until_complete(never())), ErrorKind::LoopClosed);
    assert_eq!(kind(event_loop.run_forever()), ErrorKind::LoopClosed);
    assert_eq!(kind(event_loop.try_spawn(never())), ErrorKind::LoopClosed);
    assert_eq!(kind(event_loop.try_spawn_local(never())), ErrorKind::LoopClosed);
    assert_eq!(kind(event_loop.try_spawn_blocking(|| panic!("run"))), ErrorKind::LoopClosed);
    event_loop.stop(); // does nothing
    let handles: [JoinHandle<()>; 3] = [
        event_loop.spawn(never()),
        event_loop.spawn_local(never()),
        event_loop.spawn_blocking(|| panic!("run")),
    ];
    for handle in handles {
        let joined = TinyLoop::new().run_until_complete(handle).unwrap();
        assert!(joined.unwrap_err().is_cancelled());
    }
}

#[test]
fn close_is_idempotent() {
    let event_loop = TinyLoop::new();
    event_loop.close().unwrap();
    event_loop.close().unwrap();
    assert_eq!(event_loop.close_within(LONG).unwrap().blocking_jobs, 0);
}

#[test]
fn close_drops_the_tasks_that_are_left_with_their_loop_running() {
    let event_loop = TinyLoop::new();
    let (sender, receiver) = channel();
    let guard = OnDrop(move || {
        let here = context::running().map(|event_loop| event_loop.is_closed());
        sender.send(here).unwrap();
    });
    let task = event_loop.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    event_loop.run_until_complete(yield_now()).unwrap();
    event_loop.close().unwrap();
    assert!(task.is_finished());
    assert_eq!(receiver.try_recv().unwrap(), Some(true));
}

#[test]
fn a_running_loop_is_not_closed() {
    let event_loop = TinyLoop::new();
    let inner = event_loop.clone();
    event_loop
        .run_until_complete(async move {
            assert!(inner.is_running());
            assert_eq!(kind(inner.close()), ErrorKind::CloseWhileRunning);
            assert!(!inner.is_closed());
            // Nothing has changed.
            inner.spawn(ready(1)).await.unwrap();
        })
        .unwrap();
    assert!(!event_loop.is_running());
    event_loop.close().unwrap();
}

#[test]
fn a_loop_is_run_by_one_thread_at_a_time() {
    let event_loop = TinyLoop::new();
    let running = run_elsewhere(&event_loop);
    assert!(event_loop.is_running());
    let never = async { panic!("polled") };
    assert_eq!(kind(event_loop.run_until_complete(never)), ErrorKind::AlreadyRunning);
    assert_eq!(kind(event_loop.close()), ErrorKind::CloseWhileRunning);
    drop(running);
    assert!(!event_loop.is_running());
    assert_eq!(event_loop.run_until_complete(ready(1)).unwrap(), 1);
}

#[test]
fn runs_are_not_nested() {
    let (event_loop, other) = (TinyLoop::new(), TinyLoop::new());
    let same = event_loop.clone();
    event_loop
        .run_until_complete(async move {
            let never = || async { panic!("polled") };
            assert_eq!(kind(same.run_until_complete(never())), ErrorKind::AlreadyRunning);
            assert_eq!(kind(other.run_until_complete(never())), ErrorKind::OtherLoopRunning);
            assert_eq!(kind(other.run_forever()), ErrorKind::OtherLoopRunning);
            assert!(!other.is_running());
        })
        .unwrap();
}

#[test]
fn a_stop_before_a_run_makes_it_one_turn_and_does_not_accumulate() {
    let event_loop = TinyLoop::new();
    let polls = Arc::new(AtomicUsize::new(0));
    let _spins = event_loop.spawn({
        let polls = polls.clone();
        async move {
            loop {
                polls.fetch_add(1, SeqCst);
                yield_now().await;
            }
        }
    });
    event_loop.stop();
    event_loop.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(polls.load(SeqCst), 1);
    // Consumed: this run is not stopped.
    let ten_turns = async {
        for _ in 0..10 {
            yield_now().await;
        }
    };
    event_loop.run_until_complete(ten_turns).unwrap();
}

#[test]
fn a_stop_from_another_thread_ends_a_run_that_waits() {
    let event_loop = TinyLoop::new();
    drop(run_elsewhere(&event_loop));
    assert!(!event_loop.is_running());
}

#[test]
fn a_stop_before_the_future_is_done_is_an_error_and_drops_the_future() {
    let event_loop = TinyLoop::new();
    let dropped = Cell::new(false);
    let inner = event_loop.clone();
    let result = event_loop.run_until_complete(async {
        let _guard = OnDrop(|| dropped.set(true));
        inner.stop();
        pending::<()>().await
    });
    assert_eq!(kind(result), ErrorKind::StoppedBeforeComplete);
    assert!(dropped.get());
    assert_eq!(event_loop.run_until_complete(ready(1)).unwrap(), 1);
}

#[test]
fn a_future_that_stops_the_loop_and_is_done_gives_its_result() {
    let event_loop = TinyLoop::new();
    let inner = event_loop.clone();
    let result = event_loop.run_until_complete(async move {
        inner.stop();
        1
    });
    assert_eq!(result.unwrap(), 1);
}

#[test]
fn a_future_that_stops_the_loop_and_waits_for_its_next_turn_has_none() {
    // As asyncio's: the batch under way is the last.
    let event_loop = TinyLoop::new();
    let inner = event_loop.clone();
    let result = event_loop.run_until_complete(async move {
        inner.stop();
        yield_now().await;
    });
    assert_eq!(kind(result), ErrorKind::StoppedBeforeComplete);
}

#[test]
fn a_panic_of_the_main_future_comes_after_the_run_and_the_loop_stays_usable() {
    let event_loop = TinyLoop::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run_until_complete(async {
            yield_now().await;
            std::panic::panic_any(7_u8)
        })
    }));
    assert_eq!(*unwound.unwrap_err().downcast::<u8>().unwrap(), 7);
    assert!(!event_loop.is_running() && context::running().is_none());
    assert_eq!(event_loop.run_until_complete(ready(1)).unwrap(), 1);
}

#[test]
fn a_task_that_panics_harms_no_other() {
    let event_loop = TinyLoop::new();
    let bad: JoinHandle<()> = event_loop.spawn(async { panic!("alone") });
    let good = event_loop.spawn(async { 1 });
    let (bad, good) = event_loop.run_until_complete(async { (bad.await, good.await) }).unwrap();
    assert!(bad.unwrap_err().is_panic());
    assert_eq!(good.unwrap(), 1);
}

#[test]
fn what_a_loop_can_not_do_is_unsupported() {
    let event_loop = TinyLoop::new();
    assert_eq!(kind(event_loop.selector()), ErrorKind::Unsupported);
    assert_eq!(kind(event_loop.proactor()), ErrorKind::Unsupported);
    assert_eq!(kind(event_loop.try_spawn_local(async {})), ErrorKind::WrongThread);
    assert_eq!((event_loop.name(), event_loop.kind()), ("tiny", LoopKind::Selector));
}

#[test]
fn a_timer_is_ready_when_its_time_has_come() {
    let event_loop = TinyLoop::new();
    let deadline = event_loop.time() + Duration::from_millis(20);
    let timer = event_loop.timer(deadline).unwrap();
    event_loop.run_until_complete(timer).unwrap();
    assert!(Instant::now() >= deadline);
}

#[test]
fn a_timer_too_large_for_its_place_still_works() {
    let room = [1_u8; 4096];
    let timer = Timer::new(async move {
        yield_now().await;
        assert_eq!(room.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 4096);
    });
    TinyLoop::new().run_until_complete(timer).unwrap();
}

#[test]
fn a_loop_that_closes_waits_for_blocking_jobs() {
    let event_loop = TinyLoop::new();
    let ended = Arc::new(AtomicBool::new(false));
    let job = event_loop.spawn_blocking({
        let (event_loop, ended) = (event_loop.clone(), ended.clone());
        move || {
            while !event_loop.is_closed() {
                thread::yield_now();
            }
            assert!(context::running().is_none());
            assert!(context::with_ambient(|_| ()).is_some());
            ended.store(true, SeqCst);
        }
    });
    assert_eq!(event_loop.close_within(LONG).unwrap().blocking_jobs, 0);
    assert!(ended.load(SeqCst) && job.is_finished());
}

#[test]
fn a_loop_that_closes_reports_jobs_that_run_on() {
    let event_loop = TinyLoop::new();
    let (go, wait) = channel::<()>();
    let job = event_loop.spawn_blocking(move || wait.recv().is_err());
    job.abort(); // does not stop it
    assert_eq!(event_loop.close_within(Duration::ZERO).unwrap().blocking_jobs, 1);
    assert!(!job.is_finished());
    drop(go);
    let _its_end = TinyLoop::new().run_until_complete(job).unwrap();
}

#[test]
fn a_gauge_counts_jobs_that_are_dropped_or_panic() {
    let gauge = Gauge::default();
    let (queued, dropped) = gauge.job(|| 1);
    assert_eq!((gauge.wait_started(Duration::ZERO), gauge.wait_finished(Duration::ZERO)), (1, 1));
    drop(queued);
    assert_eq!((gauge.wait_started(LONG), gauge.wait_finished(Duration::MAX)), (0, 0));
    assert!(dropped.is_finished());
    let (panics, handle): (Job, JoinHandle<()>) = gauge.job(|| panic!("in a job"));
    panics.run();
    assert_eq!(gauge.wait_finished(Duration::MAX), 0);
    assert!(handle.is_finished());
}

#[test]
fn a_job_is_counted_until_what_it_captured_is_dropped() {
    let gauge = Gauge::default();
    let counted = Arc::new(AtomicUsize::new(7));
    let guard = OnDrop({
        let (gauge, counted) = (gauge.clone(), counted.clone());
        move || counted.store(gauge.wait_finished(Duration::ZERO), SeqCst)
    });
    let (job, _handle) = gauge.job(move || drop(guard));
    drop(job);
    assert_eq!(counted.load(SeqCst), 1);
    assert_eq!(gauge.wait_finished(Duration::ZERO), 0);
}

#[test]
fn a_tracker_waits_until_each_task_has_ended() {
    let tracker = Tracker::default();
    let (task, handle) = task::new(pending::<()>());
    let tracked = tracker.track(task).unwrap();
    let dropper = thread::spawn(move || {
        // Ends when the abort has come: not before `abort_all`.
        let mut tracked = tracked;
        while Pin::new(&mut tracked).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            thread::yield_now();
        }
    });
    assert_eq!(tracker.abort_all(Duration::MAX), 0);
    assert!(tracker.is_empty() && handle.is_finished());
    dropper.join().unwrap();
    // And takes no more.
    assert!(tracker.track(task::new(async {}).0).is_err());
}

#[test]
fn a_tracked_task_may_abort_all() {
    // Used to wait for itself.
    let tracker = Tracker::default();
    let (task, handle) = task::new({
        let tracker = tracker.clone();
        async move { tracker.abort_all(Duration::MAX) }
    });
    let tracked = tracker.track(task).unwrap();
    let event_loop = TinyLoop::new();
    event_loop.run_until_complete(tracked).unwrap();
    assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 1);
}

/// A loop whose executor misbehaves as told.
#[derive(Debug)]
struct Odd {
    state: LoopState,
    drive: fn(Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error>,
}

impl Odd {
    #[allow(clippy::new_ret_no_self, reason = "a loop is always used behind the contract")]
    fn new(
        drive: fn(Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error>,
    ) -> Arc<dyn EventLoop> {
        Arc::new(Self { state: LoopState::self_driving("odd", LoopKind::Proactor), drive })
    }
}

impl EventLoop for Odd {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        (self.drive)(main)
    }

    fn submit_blocking(&self, _job: Job) -> Result<(), Error> {
        Err(ErrorKind::Unsupported.into())
    }

    fn timer(&self, _deadline: Instant) -> Result<Timer, Error> {
        Err(ErrorKind::Unsupported.into())
    }

    fn shutdown(&self, _limit: Duration) {}
}

#[test]
fn a_run_that_is_refused_leaves_the_loop_idle_and_keeps_the_stop() {
    static REFUSES: AtomicBool = AtomicBool::new(true);
    let event_loop = Odd::new(|mut main| {
        if REFUSES.load(SeqCst) {
            return Err(ErrorKind::WrongThread.into());
        }
        let mut cx = Context::from_waker(Waker::noop());
        while main.as_mut().poll(&mut cx).is_pending() {}
        Ok(())
    });
    event_loop.stop();
    assert_eq!(kind(event_loop.run_until_complete(ready(1))), ErrorKind::WrongThread);
    assert!(!event_loop.is_running() && context::running().is_none());
    REFUSES.store(false, SeqCst);
    event_loop.run_forever().unwrap(); // one turn: the stop was not consumed
}

#[test]
fn an_executor_that_polls_once_too_often_does_no_harm() {
    let event_loop = Odd::new(|mut main| {
        let mut cx = Context::from_waker(Waker::noop());
        while main.as_mut().poll(&mut cx).is_pending() {}
        assert!(main.as_mut().poll(&mut cx).is_ready());
        Ok(())
    });
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
}

#[test]
fn an_executor_that_panics_leaves_the_loop_idle() {
    let event_loop = Odd::new(|_| panic!("an executor's own"));
    let unwound = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(ready(1))));
    assert!(unwound.is_err());
    assert!(!event_loop.is_running() && context::running().is_none());
}

#[test]
fn what_an_executor_refuses_is_cancelled() {
    let event_loop = Odd::new(|_| Ok(()));
    assert_eq!(kind(event_loop.try_spawn(async {})), ErrorKind::Unsupported);
    assert_eq!(kind(event_loop.try_spawn_blocking(|| ())), ErrorKind::Unsupported);
    assert!(event_loop.spawn(async {}).is_finished());
    assert!(event_loop.spawn_blocking(|| ()).is_finished());
    assert_eq!(event_loop.state().blocking().wait_finished(Duration::ZERO), 0);
}
