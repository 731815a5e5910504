//! Several runs on one loop.

use std::future::pending;
use std::sync::Arc;

use policy::{ErrorKind, Runner, get_running_loop};

use crate::Make;
use crate::support::{Flag, Gate, kind, on_loop, run};

/// Several runs share one loop and its tasks.
///
/// Proves: B43, B72
pub fn several_runs_share_one_loop_and_its_tasks(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    let gate = Gate::default();
    let waits = gate.clone();
    let (first, task) = runner
        .run(async {
            let task = policy::spawn(async move {
                waits.wait().await;
                1
            });
            (get_running_loop().unwrap(), task)
        })
        .unwrap();
    assert!(Arc::ptr_eq(&first, &runner.get_loop().unwrap()));
    runner.run(async { assert!(Arc::ptr_eq(&get_running_loop().unwrap(), &first)) }).unwrap();
    gate.open();
    assert_eq!(runner.run(task).unwrap().unwrap(), 1);
    runner.close().unwrap();
    assert!(first.is_closed());
}

/// A runner that was closed says so; closing twice, and before use, does nothing.
///
/// Proves: B71
pub fn a_closed_runner_says_so(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    runner.close().unwrap();
    assert_eq!(runner.run(async { 1 }).unwrap(), 1, "closed before use: still usable");
    runner.close().unwrap();
    runner.close().unwrap();
    assert_eq!(kind(runner.get_loop()), ErrorKind::RunnerClosed);
    assert_eq!(kind(runner.run(async { panic!("polled") })).to_owned(), ErrorKind::RunnerClosed);
    let never_used = Runner::with_policy(make());
    drop(never_used);
}

/// A runner that is dropped closes its loop.
///
/// Proves: B71
pub fn a_dropped_runner_closes_its_loop(make: Make<'_>) {
    let dropped = Flag::default();
    let held = dropped.on_drop();
    let mut runner = Runner::with_policy(make());
    let event_loop = runner.get_loop().unwrap();
    runner
        .run(async {
            drop(policy::spawn(async move {
                let _held = held;
                pending::<()>().await;
            }));
        })
        .unwrap();
    drop(runner);
    assert!(event_loop.is_closed() && dropped.is_set());
}

/// A runner's loop is the current one of its context until it is closed; the one
/// before is back then, where asyncio forgets it.
///
/// Proves: B42, B43
pub fn close_puts_the_former_loop_back(make: Make<'_>) {
    let policy = make();
    on_loop(make, |former| {
        policy.set_event_loop(Some(former.clone())).unwrap();
        let mut runner = Runner::with_policy(policy.clone());
        let event_loop = runner.get_loop().unwrap();
        assert!(Arc::ptr_eq(&policy.get_event_loop().unwrap(), &event_loop));
        runner.close().unwrap();
        assert!(Arc::ptr_eq(&policy.get_event_loop().unwrap(), former));

        let mut runner = Runner::with_policy(policy.clone());
        runner.run(async {}).unwrap();
        former.close().unwrap();
        runner.close().unwrap();
        assert_eq!(kind(policy.get_event_loop()), ErrorKind::NoCurrentLoop, "closed meanwhile");
    });
}

/// Debug mode is passed on to the loop; unless it is asked for, the loop decides.
///
/// Proves: B62
pub fn debug_mode_is_passed_on(make: Make<'_>) {
    for debug in [true, false] {
        let mut runner = Runner::with_policy(make()).debug(debug);
        assert_eq!(runner.get_loop().unwrap().get_debug(), debug);
        assert_eq!(runner.run(async { get_running_loop().unwrap().get_debug() }).unwrap(), debug);
    }
}

/// A runner inside a running loop is refused, and its loop not made.
///
/// Proves: B54
pub fn a_runner_inside_a_loop_is_refused(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    run(make, async {
        let polled = Flag::default();
        assert_eq!(kind(runner.run(async { polled.set() })), ErrorKind::OtherLoopRunning);
        assert!(!polled.is_set());
    });
    assert_eq!(runner.run(async { 1 }).unwrap(), 1);
}

/// A runner whose future panicked can be used again, and closed.
///
/// Proves: B66
pub fn a_runner_is_usable_after_a_panic(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runner.run(async { panic!("once") })
    }));
    assert!(caught.map(|_: Result<(), _>| ()).is_err());
    assert_eq!(runner.run(async { 1 }).unwrap(), 1);
    runner.close().unwrap();
}

/// A runner may be dropped inside a running loop: its own tasks end as cancelled.
///
/// Proves: 'a loop may be dropped anywhere', B71
pub fn a_runner_may_be_dropped_inside_a_loop(make: Make<'_>) {
    let mut runner = Runner::with_policy(make());
    let task = runner.run(async { policy::spawn(pending::<()>()) }).unwrap();
    let event_loop = runner.get_loop().unwrap();
    run(make, async move {
        drop(runner);
        assert!(event_loop.is_closed());
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!get_running_loop().unwrap().is_closed());
    });
}

/// Many threads may run loops of one policy at once.
///
/// Proves: B64, B77
pub fn many_threads_run_loops_of_one_policy_at_once(make: Make<'_>) {
    let policy = make();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let policy = policy.clone();
            scope.spawn(move || {
                for _ in 0..5 {
                    let mut runner = Runner::with_policy(policy.clone());
                    let task = runner.run(async move { policy::spawn(async move { n }).await });
                    assert_eq!(task.unwrap().unwrap(), n);
                    runner.close().unwrap();
                }
            });
        }
    });
}
