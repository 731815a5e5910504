//! Tasks: spawned, awaited, detached.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use policy::task::yield_now;
use policy::{EventLoop, get_running_loop};

use crate::Make;
use crate::support::{Flag, Gate, block_on, driven, in_thread, on_loop, run};

/// A task gives its value, by the ambient call and by its explicit twins.
///
/// Proves: 'every call has its twin on the loop'
pub fn a_task_gives_its_value(make: Make<'_>) {
    run(make, async {
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
        assert_eq!(policy::try_spawn(async { "2" }).unwrap().await.unwrap(), "2");
        let event_loop = get_running_loop().unwrap();
        assert_eq!(event_loop.spawn(async { 3 }).await.unwrap(), 3);
        assert_eq!(event_loop.try_spawn(async { vec![4] }).unwrap().await.unwrap(), [4]);
    });
}

/// 10,000 tasks that are alive at once are all joined.
///
/// Proves: the contract of tasks
pub fn ten_thousand_tasks_are_all_joined(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let handles: Vec<_> = (0..10_000_u64)
            .map(|n| {
                let gate = (n % 100 == 0).then(|| gate.clone());
                policy::spawn(async move {
                    yield_now().await;
                    if let Some(gate) = gate {
                        gate.wait().await;
                    }
                    n
                })
            })
            .collect();
        gate.open();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap();
        }
        assert_eq!(sum, 10_000 * 9_999 / 2);
    });
}

/// A task that is given to a loop that nobody runs waits for the next run.
///
/// Proves: B89
pub fn a_task_given_to_a_stopped_loop_waits_for_the_next_run(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let from_here = event_loop.spawn(async { get_running_loop().unwrap().state().id() });
        let from_there = in_thread(|| event_loop.spawn(async { 2 }));
        if !event_loop.is_self_driving() {
            assert!(!from_here.is_finished() && !from_there.is_finished());
        }
        let results = event_loop.run_until_complete(async { (from_here.await, from_there.await) });
        let (first, second) = results.unwrap();
        assert_eq!(first.unwrap(), event_loop.state().id());
        assert_eq!(second.unwrap(), 2);
    });
}

/// A dropped handle detaches its task: it runs to its end.
///
/// Proves: the contract of tasks
pub fn a_dropped_handle_detaches_its_task(make: Make<'_>) {
    run(make, async {
        let (go, done) = (Gate::default(), Gate::default());
        let (waits, ends) = (go.clone(), done.clone());
        drop(policy::spawn(async move {
            waits.wait().await;
            yield_now().await;
            ends.open();
        }));
        yield_now().await;
        go.open();
        done.wait().await;
    });
}

/// The result of a detached task is dropped, once.
///
/// Proves: the contract of tasks
pub fn the_result_of_a_detached_task_is_dropped(make: Make<'_>) {
    run(make, async {
        let dropped = Gate::default();
        let opens = dropped.clone();
        drop(policy::spawn(async move {
            yield_now().await;
            crate::support::OnDrop::new(move || opens.open())
        }));
        dropped.wait().await;
    });
}

/// The value of a finished task waits in its handle, and goes with it.
///
/// Proves: 'a task is one allocation'
pub fn a_result_that_nobody_takes_is_dropped_with_its_handle(make: Make<'_>) {
    run(make, async {
        let dropped = Flag::default();
        let held = dropped.on_drop();
        let handle = policy::spawn(async move { held });
        while !handle.is_finished() {
            yield_now().await;
        }
        assert!(!dropped.is_set());
        drop(handle);
        assert!(dropped.is_set());
    });
}

/// A task's future is gone when its handle has the result: what it held is free.
///
/// Proves: the contract of tasks
pub fn a_future_is_dropped_before_its_result_is_seen(make: Make<'_>) {
    run(make, async {
        for _ in 0..100 {
            let dropped = Flag::default();
            let held = dropped.on_drop();
            let handle = policy::spawn(async move {
                let _held = held;
                yield_now().await;
            });
            handle.await.unwrap();
            assert!(dropped.is_set());
        }
    });
}

/// A handle can be awaited on any executor, while the loop runs elsewhere.
///
/// Proves: the contract of tasks
pub fn a_handle_is_awaited_on_any_executor(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let gate = Gate::default();
        let waits = gate.clone();
        let handle = event_loop.spawn(async move {
            waits.wait().await;
            1
        });
        driven(event_loop, || {
            in_thread(|| gate.open());
            assert_eq!(block_on(handle).unwrap(), 1);
        });
    });
}

/// A wait for a handle that was dropped can be repeated; a result is given once.
///
/// Proves: the contract of tasks
pub fn a_handle_can_be_awaited_again_until_it_gave_its_result(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let mut handle = policy::spawn(async move {
            waits.wait().await;
            1
        });
        for _ in 0..3 {
            let polled = futures_lite::future::poll_once(&mut handle).await;
            assert!(polled.is_none());
        }
        gate.open();
        assert_eq!((&mut handle).await.unwrap(), 1);
        let again = (&mut handle).await.unwrap_err();
        assert!(!again.is_cancelled() && !again.is_panic());
        assert!(again.to_string().contains("only once"), "{again}");
    });
}

/// A handle that moves from task to task wakes whoever polled it last.
///
/// Proves: the contract of tasks
pub fn a_handle_wakes_whoever_polled_it_last(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let mut handle = policy::spawn(async move {
            waits.wait().await;
            1
        });
        assert!(futures_lite::future::poll_once(&mut handle).await.is_none());
        let other = policy::spawn(async move {
            assert!(futures_lite::future::poll_once(&mut handle).await.is_none());
            handle
        });
        let handle = other.await.unwrap();
        let last = policy::spawn(handle);
        yield_now().await;
        gate.open();
        assert_eq!(last.await.unwrap().unwrap(), 1);
    });
}

/// A task knows its own identity, which its handle has too; main has none.
///
/// Proves: asyncio's `current_task`
pub fn a_task_knows_its_id(make: Make<'_>) {
    run(make, async {
        assert!(policy::task::try_id().is_none());
        let mut seen = HashSet::new();
        for _ in 0..10 {
            let handle = policy::spawn(async {
                let before = policy::task::try_id();
                yield_now().await;
                assert_eq!(before, policy::task::try_id());
                before
            });
            let id = handle.id();
            assert_eq!(handle.abort_handle().id(), id);
            assert_eq!(handle.await.unwrap(), Some(id));
            assert!(seen.insert(id), "an id was used twice");
        }
        assert!(policy::task::try_id().is_none());
    });
}

/// Tasks may spawn tasks, as deep as they like.
///
/// Proves: 'the loop that a call means'
pub fn tasks_spawn_tasks(make: Make<'_>) {
    fn depth(n: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            match n {
                0 => 0,
                n => policy::spawn(depth(n - 1)).await.unwrap() + 1,
            }
        })
    }
    assert_eq!(run(make, depth(200)), 200);
}

/// Two tasks play ping-pong over channels.
///
/// Proves: the contract of tasks
pub fn two_tasks_play_ping_pong(make: Make<'_>) {
    run(make, async {
        let (ping, pings) = async_channel::bounded::<u32>(1);
        let (pong, pongs) = async_channel::bounded::<u32>(1);
        let player = policy::spawn(async move {
            while let Ok(n) = pings.recv().await {
                pong.send(n + 1).await.unwrap();
            }
        });
        let mut n = 0;
        for _ in 0..1000 {
            ping.send(n).await.unwrap();
            n = pongs.recv().await.unwrap();
        }
        assert_eq!(n, 1000);
        drop(ping);
        player.await.unwrap();
    });
}

/// A large future and a large result travel whole.
///
/// Proves: 'a task is one allocation'
pub fn large_futures_and_results_travel_whole(make: Make<'_>) {
    run(make, async {
        let large = [7_u8; 64 * 1024];
        let handle = policy::spawn(async move {
            yield_now().await;
            large
        });
        assert!(handle.await.unwrap() == [7; 64 * 1024]);
    });
}

/// Threads that spawn at once on one loop lose nothing.
///
/// Proves: the contract of tasks
pub fn threads_that_spawn_at_once_lose_nothing(make: Make<'_>) {
    const THREADS: usize = 4;
    const TASKS: usize = 500;
    let counted = Arc::new(AtomicUsize::new(0));
    let spawn = |event_loop: &Arc<dyn EventLoop>| {
        for _ in 0..TASKS {
            let counted = counted.clone();
            drop(event_loop.spawn(async move { counted.fetch_add(1, SeqCst) }));
        }
    };
    on_loop(make, |event_loop| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| spawn(event_loop));
            }
            event_loop
                .run_until_complete(async {
                    while counted.load(SeqCst) < THREADS * TASKS {
                        yield_now().await;
                    }
                })
                .unwrap();
        });
    });
    assert_eq!(counted.load(SeqCst), THREADS * TASKS);
}
