//! Stopping a loop, and running it until then.

use std::thread;

use policy::ErrorKind;
use policy::time::sleep;

use crate::Make;
use crate::support::{Flag, Gate, Log, NEVER, driven, kind, on_loop};

/// A loop that is stopped before its main future is done says so; the future is
/// dropped, the loop's tasks stay.
///
/// Proves: B65, B79
pub fn a_loop_stopped_too_early_says_so(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let dropped = Flag::default();
        let held = dropped.on_drop();
        let gate = Gate::default();
        let waits = gate.clone();
        let task = event_loop.spawn(async move { waits.wait().await });
        let stopped = event_loop.run_until_complete(async move {
            let _held = held;
            policy::get_running_loop().unwrap().stop();
            std::future::pending::<()>().await;
        });
        assert_eq!(kind(stopped), ErrorKind::StoppedBeforeComplete);
        assert!(dropped.is_set());
        gate.open();
        event_loop.run_until_complete(task).unwrap().unwrap();
    });
}

/// A main future that stops its loop and then ends has its result.
///
/// Proves: B79
pub fn a_result_beats_a_stop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let result = event_loop.run_until_complete(async {
            event_loop.stop();
            1
        });
        assert_eq!(result.unwrap(), 1);
        // And the stop is used up.
        assert_eq!(event_loop.run_until_complete(yields(20)).unwrap(), 20);
    });
}

/// A stop asked for before the run makes it run one turn, in which tasks that are
/// ready run; stops do not accumulate.
///
/// Proves: B80
pub fn a_stop_before_the_run_leaves_one_turn(make: Make<'_>) {
    on_loop(make, |event_loop| {
        event_loop.stop();
        event_loop.stop();
        event_loop.stop();
        let task = event_loop.spawn(async { "ran" });
        event_loop.run_forever().unwrap();
        if !event_loop.is_self_driving() {
            assert!(task.is_finished(), "what was ready did not get its turn");
        }
        assert_eq!(event_loop.run_until_complete(yields(20)).unwrap(), 20);
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), "ran");
    });
}

/// `stop` from another thread ends a run that sleeps.
///
/// Proves: B89, 'every call has its twin on the loop'
pub fn stop_from_another_thread_wakes_a_sleeping_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        for _ in 0..20 {
            driven(event_loop, || ());
        }
        let sleeping = thread::scope(|scope| {
            let running = Gate::default();
            let opener = running.clone();
            let run = scope.spawn(move || {
                event_loop.run_until_complete(async {
                    opener.open();
                    sleep(NEVER).await;
                })
            });
            running.wait_blocking();
            event_loop.stop();
            run.join().unwrap()
        });
        assert_eq!(kind(sleeping), ErrorKind::StoppedBeforeComplete);
    });
}

/// `run_forever` runs tasks until one of them stops the loop.
///
/// Proves: B79, B81
pub fn run_forever_runs_until_a_task_stops_it(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let log = Log::default();
        let (first, second) = (log.clone(), log.clone());
        let inside = event_loop.clone();
        let before = event_loop.spawn(async move { first.add("first") });
        let stops = event_loop.spawn(async move {
            before.await.unwrap();
            second.add("stop");
            inside.stop();
        });
        event_loop.run_forever().unwrap();
        assert_eq!(log.take(), ["first", "stop"]);
        assert!(!event_loop.is_running());
        event_loop.run_until_complete(stops).unwrap().unwrap();
    });
}

async fn yields(n: usize) -> usize {
    for _ in 0..n {
        policy::task::yield_now().await;
    }
    n
}

/// `stop` from another thread ends a `run_forever` that has nothing to do, each time.
///
/// Proves: B80, B89
pub fn stop_from_another_thread_ends_an_idle_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let turns = 20;
        let idle: Vec<_> = (0..turns).map(|_| Gate::default()).collect();
        thread::scope(|scope| {
            let runs = scope.spawn(|| {
                for idle in &idle {
                    let opener = idle.clone();
                    event_loop.call_soon(move || opener.open());
                    event_loop.run_forever().unwrap();
                    assert!(!event_loop.is_running());
                }
            });
            for idle in &idle {
                idle.wait_blocking();
                // A loop that drives itself may have called before it is run: then the
                // stop comes first, and leaves one turn.
                event_loop.stop();
            }
            runs.join().unwrap();
        });
    });
}
