//! Many tasks, results as they come.

use std::collections::HashSet;
use std::future::pending;

use policy::task::{JoinSet, yield_now};
use policy::time::{sleep, timeout};
use std::time::Duration;

use crate::support::{Flag, Gate, NEVER, block_on, driven, new_loop, on_loop, run};
use crate::{Make, Skipped};

/// Results come in the order in which the tasks end.
///
/// Proves: the documentation of `JoinSet`
pub fn results_come_in_the_order_of_completion(make: Make<'_>) {
    run(make, async {
        let gates: Vec<_> = (0..5).map(|_| Gate::default()).collect();
        let mut set = JoinSet::new();
        for (n, gate) in gates.iter().enumerate() {
            let gate = gate.clone();
            set.spawn(async move {
                gate.wait().await;
                n
            });
        }
        for n in [3, 0, 4, 2, 1] {
            assert!(set.try_join_next().is_none());
            assert!(set.try_join_next_with_id().is_none());
            gates[n].open();
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
        }
        assert!(set.join_next().await.is_none());
        assert!(set.is_empty());
    });
}

/// A set of many tasks loses none, and repeats none.
///
/// Proves: the documentation of `JoinSet`
pub fn a_set_of_many_loses_none(make: Make<'_>) {
    run(make, async {
        let mut set: JoinSet<usize> = (0..2000)
            .map(|n| async move {
                for _ in 0..n % 7 {
                    yield_now().await;
                }
                n
            })
            .collect();
        assert_eq!(set.len(), 2000);
        let mut seen = HashSet::new();
        while let Some(result) = set.join_next().await {
            assert!(seen.insert(result.unwrap()));
        }
        assert_eq!(seen.len(), 2000);
        let all: JoinSet<usize> = (0..10).map(|n| async move { n }).collect();
        assert_eq!(all.join_all().await.into_iter().map(Result::unwrap).sum::<usize>(), 45);
    });
}

/// A wait for the next result that is dropped loses none.
///
/// Proves: the documentation of `JoinSet`
pub fn a_wait_that_is_dropped_loses_no_result(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let mut set = JoinSet::new();
        set.spawn(async move {
            waits.wait().await;
            1
        });
        for _ in 0..3 {
            assert!(timeout(Duration::from_millis(1), set.join_next()).await.is_err());
            assert!(futures_lite::future::poll_once(set.join_next()).await.is_none());
        }
        gate.open();
        assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    });
}

/// Dropping a set aborts its tasks; detaching them first lets them run on.
///
/// Proves: the documentation of `JoinSet`
pub fn a_dropped_set_aborts_its_tasks(make: Make<'_>) {
    run(make, async {
        let dropped = Flag::default();
        let held = dropped.on_drop();
        let mut set = JoinSet::new();
        let abort = set.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        drop(set);
        while !abort.is_finished() {
            yield_now().await;
        }
        assert!(dropped.is_set());

        let (gate, done) = (Gate::default(), Gate::default());
        let (waits, opens) = (gate.clone(), done.clone());
        let mut set = JoinSet::new();
        set.spawn(async move {
            waits.wait().await;
            opens.open();
        });
        set.detach_all();
        assert!(set.is_empty() && set.join_next().await.is_none());
        drop(set);
        gate.open();
        done.wait().await;
    });
}

/// Aborted and panicking members come as such, with their ids; the others as results.
///
/// Proves: the documentation of `JoinSet`, the contract of tasks
pub fn cancelled_and_panicking_members_come_as_such(make: Make<'_>) {
    run(make, async {
        let mut set = JoinSet::new();
        let fine = set.spawn(async { 1 }).id();
        let panics = set.spawn(async { panic!("a member") }).id();
        let aborted = set.spawn(pending::<i32>());
        aborted.abort();
        let mut seen = HashSet::new();
        while let Some((id, result)) = set.join_next_with_id().await {
            assert!(seen.insert(id));
            match result {
                Ok(n) => assert_eq!((id, n), (fine, 1)),
                Err(error) if error.is_panic() => assert_eq!(id, panics),
                Err(error) => assert!(error.is_cancelled() && id == aborted.id()),
            }
        }
        assert_eq!(seen.len(), 3);

        for _ in 0..3 {
            set.spawn(pending::<i32>());
        }
        set.abort_all();
        assert_eq!(set.len(), 3, "they stay until they have ended");
        while let Some(result) = set.join_next().await {
            assert!(result.unwrap_err().is_cancelled());
        }
    });
}

/// `shutdown` waits until the tasks are gone.
///
/// Proves: the documentation of `JoinSet`
pub fn shutdown_waits_until_the_tasks_are_gone(make: Make<'_>) {
    run(make, async {
        let dropped = Flag::default();
        let mut set = JoinSet::new();
        for _ in 0..5 {
            let held = dropped.on_drop();
            set.spawn(async move {
                let _held = held;
                sleep(NEVER).await;
            });
        }
        yield_now().await;
        set.shutdown().await;
        assert!(set.is_empty() && dropped.is_set());
        // And may be used again.
        set.spawn(async {});
        set.join_next().await.unwrap().unwrap();
    });
}

/// A set takes tasks of any loop, blocking jobs and local tasks.
///
/// Proves: the documentation of `JoinSet`
pub fn a_set_takes_tasks_of_every_kind(make: Make<'_>) -> Result<(), Skipped> {
    on_loop(make, |other| {
        driven(other, || {
            run(make, async {
                let mut set = JoinSet::new();
                set.spawn(async { 1 });
                set.spawn_blocking(|| 10);
                set.spawn_on(async { 100 }, other);
                set.insert(policy::spawn(async { 1000 }));
                set.try_spawn(async { 10_000 }).unwrap();
                set.spawn_blocking_on(|| 100_000, other);
                set.extend((1..=2).map(|n| async move { n * 1_000_000 }));
                let mut sum = 0;
                while let Some(result) = set.join_next().await {
                    sum += result.unwrap();
                }
                assert_eq!(sum, 3_111_111);
            });
        });
    });
    crate::support::needs_local_tasks(make)?;
    run(make, async {
        let shared = std::rc::Rc::new(1);
        let mut set = JoinSet::new();
        set.spawn_local(async move { *shared });
        assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    });
    Ok(())
}

/// The members of a set end as cancelled when their loop closes.
///
/// Proves: the documentation of `JoinSet`, B75
pub fn members_end_when_their_loop_closes(make: Make<'_>) {
    let event_loop = new_loop(make);
    let mut set = JoinSet::new();
    for _ in 0..3 {
        set.spawn_on(pending::<()>(), &event_loop);
    }
    event_loop.close_within(crate::support::SHUTDOWN).unwrap();
    for _ in 0..3 {
        assert!(block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
    }
    assert!(block_on(set.join_next()).is_none());
}
