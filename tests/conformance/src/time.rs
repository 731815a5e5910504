//! Timers.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use policy::task::yield_now;
use policy::time::{
    Instant, MissedTickBehavior, Sleep, advance, interval, interval_at, pause_without_jumping,
    sleep, sleep_until, timeout, timeout_at, try_interval, try_sleep,
};
use policy::{ErrorKind, Runner, get_running_loop, with_event_loop_policy};

use crate::Make;
use crate::support::{Gate, NEVER, driven, in_thread, kind, on_loop, run, run_pausable};

const SOON: Duration = Duration::from_millis(3);

/// No sleep is over early, in main, in tasks, and whatever its length.
///
/// Proves: B101
pub fn a_sleep_is_never_over_early(make: Make<'_>) {
    run(make, async {
        let tasks: Vec<_> = (0..200_u64)
            .map(|n| {
                policy::spawn(async move {
                    let deadline = Instant::now() + Duration::from_micros(n * 53);
                    sleep_until(deadline).await;
                    Instant::now() >= deadline
                })
            })
            .collect();
        for _ in 0..5 {
            let deadline = Instant::now() + Duration::from_micros(700);
            sleep(Duration::from_micros(700)).await;
            assert!(Instant::now() >= deadline);
        }
        for task in tasks {
            assert!(task.await.unwrap(), "over before its time");
        }
    });
}

/// Sleeps end in the order of their deadlines, not of their making.
///
/// Proves: B83
pub fn sleeps_end_in_the_order_of_their_deadlines(make: Make<'_>) {
    run(make, async {
        let start = Instant::now();
        let (send, ended) = async_channel::unbounded();
        for n in [3_u32, 1, 4, 2] {
            let send = send.clone();
            drop(policy::spawn(async move {
                sleep_until(start + n * Duration::from_millis(15)).await;
                send.send((n, Instant::now())).await.unwrap();
            }));
        }
        let mut order = Vec::new();
        for _ in 0..4 {
            let (n, at) = ended.recv().await.unwrap();
            assert!(at >= start + n * Duration::from_millis(15));
            order.push(n);
        }
        // Where several threads run tasks, a loaded machine may mix them.
        if !policy::get_running_loop().unwrap().is_self_driving() {
            assert_eq!(order, [1, 2, 3, 4]);
        }
    });
}

/// A sleep of nothing, and one whose deadline has passed, are over at once.
///
/// Proves: B83
pub fn a_sleep_of_nothing_is_over_at_once(make: Make<'_>) {
    run(make, async {
        sleep(Duration::ZERO).await;
        let past = Instant::now() - Duration::from_secs(1);
        sleep_until(past).await;
        let mut sleep = pin!(sleep_until(past));
        assert!(sleep.is_elapsed());
        assert!(futures_lite::future::poll_once(sleep.as_mut()).await.is_some());
    });
}

/// The longest sleep there is waits, and panics nowhere.
///
/// Proves: B85, B101
pub fn the_longest_sleep_waits(make: Make<'_>) {
    run(make, async {
        for long in [Duration::MAX, Duration::from_secs(u64::MAX / 4), NEVER * 24 * 365 * 100] {
            let mut sleep = pin!(sleep(long));
            assert!(futures_lite::future::poll_once(sleep.as_mut()).await.is_none());
            assert!(!sleep.is_elapsed());
            assert_eq!(timeout(long, ready(1)).await, Ok(1));
            let yields = timeout(long, async {
                yield_now().await;
                2
            });
            assert_eq!(yields.await, Ok(2));
        }
    });
}

/// A sleep that is dropped wakes nobody, and a thousand that are dropped cost none of
/// those that stay.
///
/// Proves: B88
pub fn a_dropped_sleep_wakes_nobody(make: Make<'_>) {
    run(make, async {
        for _ in 0..1000 {
            let mut sleep = Box::pin(sleep(SOON));
            _ = futures_lite::future::poll_once(sleep.as_mut()).await;
        }
        let kept: Vec<_> = (0..100).map(|_| policy::spawn(sleep(SOON))).collect();
        for task in kept {
            task.await.unwrap();
        }
    });
}

/// A sleep can be set anew: earlier, later, and after it was over.
///
/// Proves: the documentation of `Sleep`
pub fn a_sleep_can_be_set_anew(make: Make<'_>) {
    run(make, async {
        let mut sleep = pin!(sleep(NEVER));
        assert!(futures_lite::future::poll_once(sleep.as_mut()).await.is_none());
        for _ in 0..3 {
            let deadline = Instant::now() + SOON;
            sleep.as_mut().reset(deadline);
            assert_eq!(sleep.deadline(), deadline);
            sleep.as_mut().await;
            assert!(Instant::now() >= deadline && sleep.is_elapsed());
        }
        sleep.as_mut().reset(Instant::now() + NEVER);
        assert!(futures_lite::future::poll_once(sleep.as_mut()).await.is_none());
    });
}

/// A sleep that was made outside any loop belongs to the loop that polls it.
///
/// Proves: 'what was made stays with its loop'
pub fn a_sleep_made_outside_a_loop_works_in_one(make: Make<'_>) {
    let deadline = Instant::now() + SOON;
    let sleep = sleep_until(deadline);
    run(make, sleep);
    assert!(Instant::now() >= deadline);
    with_event_loop_policy(make(), || {
        if make().background_loop().unwrap().is_none() {
            assert_eq!(kind(try_sleep(SOON)), ErrorKind::NoRunningLoop);
        }
    });
}

/// A sleep may be polled on another loop than its own, while its own runs.
///
/// Proves: 'what was made stays with its loop'
pub fn a_sleep_may_be_awaited_on_another_loop(make: Make<'_>) {
    on_loop(make, |owner| {
        driven(owner, || {
            let deadline = Instant::now() + SOON;
            let made = owner.spawn(async move {
                let mut sleep = Box::pin(sleep_until(deadline));
                _ = futures_lite::future::poll_once(sleep.as_mut()).await;
                sleep
            });
            run(make, async { made.await.unwrap().await });
            assert!(Instant::now() >= deadline);
        });
    });
}

/// A sleep whose loop has been closed is taken over by whoever polls it.
///
/// Proves: B74
pub fn a_sleep_whose_loop_closed_is_taken_over(make: Make<'_>) {
    let deadline = Instant::now() + 2 * SOON;
    let made = |polled: bool| {
        run(make, async move {
            let mut sleep: Pin<Box<Sleep>> = Box::pin(sleep_until(deadline));
            if polled {
                _ = futures_lite::future::poll_once(sleep.as_mut()).await;
            }
            sleep
        })
    };
    for sleep in [made(false), made(true)] {
        run(make, sleep);
        assert!(Instant::now() >= deadline);
    }
    // And where no loop runs, one that is over is over.
    crate::support::block_on(made(true));
}

/// A timer that ends while its loop is closed in between two runs is not lost.
///
/// Proves: B72
pub fn a_sleep_goes_on_between_two_runs(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let task = event_loop.spawn(sleep(2 * SOON));
        event_loop.run_until_complete(yield_now()).unwrap();
        event_loop.run_until_complete(task).unwrap().unwrap();
    });
}

/// A timer wakes a loop that has nothing else to do, again and again.
///
/// Proves: B101
pub fn a_timer_wakes_a_loop_that_sleeps(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    for _ in 0..20 {
        runner.run(sleep(Duration::from_millis(1))).unwrap();
    }
    runner.run(async { policy::spawn(sleep(SOON)).await.unwrap() }).unwrap();
    runner.close().unwrap();
}

/// A shorter timer that is made later wakes a loop that sleeps for a longer one.
///
/// Proves: B83
pub fn a_shorter_timer_wakes_a_loop_that_sleeps_longer(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            let long = event_loop.spawn(sleep(NEVER));
            for _ in 0..10 {
                crate::support::block_on(event_loop.spawn(sleep(Duration::from_millis(1))))
                    .unwrap();
            }
            long.abort();
        });
    });
}

/// A timeout gives the value of what is in time, and ends what is not.
///
/// Proves: asyncio's `wait_for`
pub fn a_timeout_ends_what_is_not_in_time(make: Make<'_>) {
    run(make, async {
        assert_eq!(timeout(NEVER, ready(1)).await, Ok(1));
        assert_eq!(timeout(Duration::ZERO, ready(2)).await, Ok(2), "what is ready is preferred");
        let dropped = crate::support::Flag::default();
        let held = dropped.on_drop();
        let start = Instant::now();
        let late = timeout(SOON, async move {
            let _held = held;
            pending::<()>().await;
        });
        let elapsed = late.await.unwrap_err();
        assert!(start.elapsed() >= SOON && dropped.is_set());
        assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);

        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        let past = Instant::now() - Duration::from_secs(1);
        assert!(timeout_at(past, pending::<()>()).await.is_err());
        assert_eq!(timeout_at(past, ready(3)).await, Ok(3));
        assert_eq!(timeout_at(Instant::now() + NEVER, sleep(SOON)).await, Ok(()));
    });
}

/// Timeouts nest: the shorter one wins.
///
/// Proves: asyncio's `wait_for`
pub fn of_nested_timeouts_the_shorter_wins(make: Make<'_>) {
    run(make, async {
        let inner = timeout(NEVER, timeout(SOON, pending::<()>())).await;
        assert!(inner.unwrap().is_err());
        let outer = timeout(SOON, timeout(NEVER, pending::<()>())).await;
        assert!(outer.is_err());
    });
}

/// A timeout around a handle ends the wait, not the task.
///
/// Proves: the contract of tasks
pub fn a_timeout_around_a_handle_ends_the_wait_only(make: Make<'_>) {
    run(make, async {
        let gate = crate::support::Gate::default();
        let waits = gate.clone();
        let mut task = policy::spawn(async move {
            waits.wait().await;
            1
        });
        assert!(timeout(Duration::from_millis(1), &mut task).await.is_err());
        gate.open();
        assert_eq!(timeout(NEVER, &mut task).await.unwrap().unwrap(), 1);
    });
}

/// An interval ticks at once, then a period after each tick was due.
///
/// Proves: the documentation of `interval`
pub fn an_interval_ticks_at_once_and_then_each_period(make: Make<'_>) {
    run(make, async {
        let before = Instant::now();
        let mut beat = interval(SOON);
        let first = beat.tick().await;
        assert!(first >= before && first <= Instant::now());
        for n in 1..4 {
            let due = beat.tick().await;
            assert_eq!(due, first + n * SOON);
            assert!(Instant::now() >= due);
        }
        let start = Instant::now() + SOON;
        assert_eq!(interval_at(start, NEVER).tick().await, start);
        assert_eq!(beat.period(), SOON);
    });
}

/// Ticks that were missed are made up, put off or left out, as was asked for.
///
/// Proves: the documentation of `interval`
pub fn missed_ticks_are_treated_as_asked_for(make: Make<'_>) {
    const PERIOD: Duration = Duration::from_millis(10);
    run(make, async {
        for behavior in
            [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
        {
            let mut beat = interval(PERIOD);
            assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Burst);
            beat.set_missed_tick_behavior(behavior);
            let start = beat.tick().await;
            thread::sleep(4 * PERIOD);
            let late = Instant::now();
            assert_eq!(beat.tick().await, start + PERIOD, "the one that was late");
            let next = beat.tick().await;
            match behavior {
                MissedTickBehavior::Burst => assert_eq!(next, start + 2 * PERIOD),
                MissedTickBehavior::Delay => assert!(next >= late + PERIOD),
                MissedTickBehavior::Skip => {
                    assert!(next >= late);
                    assert_eq!((next - start).as_nanos() % PERIOD.as_nanos(), 0);
                }
            }
        }
    });
}

/// An interval can be set anew; a period of zero is refused; a wait that is dropped
/// loses no tick.
///
/// Proves: the documentation of `interval`
pub fn an_interval_can_be_set_anew(make: Make<'_>) {
    run(make, async {
        assert_eq!(kind(try_interval(Duration::ZERO)), ErrorKind::InvalidInput);
        let mut beat = interval(NEVER);
        beat.tick().await;
        assert!(futures_lite::future::poll_once(pin!(beat.tick())).await.is_none());
        beat.reset_after(Duration::ZERO);
        beat.tick().await;
        beat.reset_after(Duration::MAX);
        assert!(futures_lite::future::poll_once(pin!(beat.tick())).await.is_none());
        beat.reset_immediately();
        beat.tick().await;
        let at = Instant::now() + SOON;
        beat.reset_at(at);
        assert!(futures_lite::future::poll_once(pin!(beat.tick())).await.is_none());
        assert_eq!(beat.tick().await, at);
        beat.reset();
        assert!(futures_lite::future::poll_once(pin!(beat.tick())).await.is_none());
    });
}

/// A loop's own timer may be made on any thread, and is never early either.
///
/// Proves: B101
pub fn a_loops_own_timer_is_made_anywhere_and_never_early(make: Make<'_>) {
    on_loop(make, |event_loop| {
        for n in 0..10 {
            let deadline = (Instant::now() + n * Duration::from_micros(500)).into_std();
            let timer = in_thread(|| event_loop.timer(deadline)).unwrap();
            event_loop.run_until_complete(timer).unwrap();
            assert!(std::time::Instant::now() >= deadline);
        }
    });
}

/// Where there is neither a loop nor a policy whose loops run by themselves, a sleep
/// panics with the remedy.
///
/// Proves: 'an error says what to do'
pub fn a_sleep_without_a_loop_names_the_remedy(_: Make<'_>) {
    with_event_loop_policy(policy::DefaultEventLoopPolicy::new(), || {
        let mut sleep = Box::pin(sleep(NEVER));
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sleep.as_mut().poll(cx).is_ready()
        }));
        let message = *polled.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("policy::run"), "{message}");
    });
}

/// A sleep that somebody else sets anew wakes the task that waits for it, at the new
/// time: earlier than before, or later.
///
/// Proves: the documentation of `Sleep`
pub fn a_sleep_that_another_sets_anew_wakes_who_waits(make: Make<'_>) {
    run(make, async {
        for (first, second) in [(NEVER, SOON), (SOON * 4, SOON * 8)] {
            let waits = Arc::new(Mutex::new(Box::pin(sleep(first))));
            let polled = Gate::default();
            let (theirs, opens) = (waits.clone(), polled.clone());
            let task = policy::spawn(async move {
                poll_fn(|cx| {
                    let over = theirs.lock().unwrap().as_mut().poll(cx);
                    opens.open();
                    over
                })
                .await;
                Instant::now()
            });
            polled.wait().await;
            let deadline = Instant::now() + second;
            let resets = waits.clone();
            let reset = move || resets.lock().unwrap().as_mut().reset(deadline);
            policy::spawn_blocking(reset).await.unwrap();
            assert!(task.await.unwrap() >= deadline);
        }
    });
}

/// Sleeps and what stands on them may be shared between threads.
///
/// Proves: the documentation of `Sleep`
pub fn timers_are_shared_between_threads(_make: Make<'_>) {
    fn shared<T: Send + Sync>() {}
    shared::<Sleep>();
    shared::<policy::time::Interval>();
    shared::<policy::time::Timeout<std::future::Ready<()>>>();
}

/// However many sleeps end at one moment, each ends, in the order of their making.
///
/// Proves: B84 "departs: ours keeps the order"
pub fn sleeps_of_one_deadline_end_in_the_order_of_their_making(make: Make<'_>) {
    run_pausable(make, async {
        // Time stands, so that none of them comes too late.
        pause_without_jumping().unwrap();
        let deadline = Instant::now() + NEVER;
        let ended = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let ended = ended.clone();
                policy::spawn(async move {
                    sleep_until(deadline).await;
                    ended.lock().unwrap().push(n);
                })
            })
            .collect();
        advance(NEVER).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let mut order = ended.lock().unwrap().clone();
        if get_running_loop().unwrap().is_self_driving() {
            // Which of two threads is first is open.
            order.sort_unstable();
        }
        assert!(order.into_iter().eq(0..1000));
    });
}
