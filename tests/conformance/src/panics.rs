//! Panics are values, and harm nobody else.

use std::panic::panic_any;

use policy::task::yield_now;

use crate::support::{Gate, OnDrop, block_on, on_loop, run};
use crate::{Make, Skipped};

/// The panic of a task comes with its payload, whatever that is, and the error says
/// what was said.
///
/// Proves: the contract of tasks
pub fn a_panic_comes_with_its_payload(make: Make<'_>) {
    run(make, async {
        let text = policy::spawn(async { panic!("plain") }).await.map(|(): ()| ()).unwrap_err();
        assert!(text.is_panic() && !text.is_cancelled());
        assert!(text.to_string().contains("plain"), "{text}");
        assert_eq!(*text.into_panic().downcast::<&str>().unwrap(), "plain");

        let n = 7;
        let formatted =
            policy::spawn(async move { panic!("number {n}") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(*formatted.into_panic().downcast::<String>().unwrap(), "number 7");

        let any = policy::spawn(async { panic_any(vec![1, 2]) }).await.map(|(): ()| ());
        let payload = any.unwrap_err().try_into_panic().unwrap();
        assert_eq!(*payload.downcast::<Vec<i32>>().unwrap(), [1, 2]);
    });
}

/// A task that panics, at once or later, leaves other tasks and the loop as they were.
///
/// Proves: 'a panic never takes the loop down', B91
pub fn others_go_on_when_a_task_panics(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let other = policy::spawn(async move {
            waits.wait().await;
            1
        });
        let at_once = policy::spawn(async { panic!("at once") });
        let later = policy::spawn(async {
            yield_now().await;
            panic!("later")
        });
        let (at_once, later): (Result<(), _>, Result<(), _>) = (at_once.await, later.await);
        assert!(at_once.unwrap_err().is_panic() && later.unwrap_err().is_panic());
        gate.open();
        assert_eq!(other.await.unwrap(), 1);
        for n in 0..20 {
            let panics = policy::spawn(async move {
                assert!(n % 2 == 1, "an even one");
                n
            });
            assert_eq!(panics.await.is_ok(), n % 2 == 1);
        }
    });
}

/// The panic of a detached task is nobody's; the loop goes on.
///
/// Proves: the contract of tasks
pub fn the_panic_of_a_detached_task_is_nobodys(make: Make<'_>) {
    run(make, async {
        let task = policy::spawn(async { panic!("detached") });
        let ended = task.abort_handle();
        let _: &policy::task::JoinHandle<()> = &task;
        drop(task);
        while !ended.is_finished() {
            yield_now().await;
        }
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}

/// A payload that panics when it is dropped harms nobody.
///
/// Proves: the contract of tasks
pub fn a_payload_that_panics_harms_nobody(make: Make<'_>) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("the payload's destructor");
            }
        }
    }
    run(make, async {
        // The first poll waits for the gate: the handle is gone when it panics.
        let gate = Gate::default();
        let waits = gate.clone();
        let task = policy::spawn(async move {
            waits.wait().await;
            panic_any(Bomb);
        });
        let ended = task.abort_handle();
        let _: &policy::task::JoinHandle<()> = &task;
        drop(task);
        gate.open();
        while !ended.is_finished() {
            yield_now().await;
        }
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}

/// A result that panics when a detached task drops it harms nobody.
///
/// Proves: the contract of tasks
pub fn a_result_that_panics_harms_nobody(make: Make<'_>) {
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let task = policy::spawn(async move {
            waits.wait().await;
            OnDrop::new(|| panic!("the result's destructor"))
        });
        let ended = task.abort_handle();
        drop(task);
        gate.open();
        while !ended.is_finished() {
            yield_now().await;
        }
        yield_now().await;
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}

/// A future that panics in its destructor, after it ended, is a panic of its task.
///
/// Proves: the contract of tasks
pub fn a_panic_in_a_destructor_is_the_tasks_own(make: Make<'_>) {
    struct Bomb;
    impl std::future::Future for Bomb {
        type Output = i32;
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<i32> {
            std::task::Poll::Ready(1)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the future's destructor")
        }
    }
    run(make, async {
        let error = policy::spawn(Bomb).await.unwrap_err();
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "the future's destructor");
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}

/// A blocking job that panics gives its payload, and the pool goes on.
///
/// Proves: B98, the contract of tasks
pub fn the_panic_of_a_blocking_job_is_a_value(make: Make<'_>) {
    run(make, async {
        for _ in 0..10 {
            let job = policy::spawn_blocking(|| panic!("the job"));
            let error = job.await.map(|(): ()| ()).unwrap_err();
            assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "the job");
        }
        assert_eq!(policy::spawn_blocking(|| 1).await.unwrap(), 1);
    });
}

/// A local task that panics leaves its thread and the loop as they were.
///
/// Proves: the contract of tasks
pub fn the_panic_of_a_local_task_is_a_value(make: Make<'_>) -> Result<(), Skipped> {
    crate::support::needs_local_tasks(make)?;
    run(make, async {
        let task = policy::spawn_local(async {
            yield_now().await;
            panic!("local")
        });
        let error = task.await.map(|(): ()| ()).unwrap_err();
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "local");
        assert_eq!(policy::spawn_local(async { 1 }).await.unwrap(), 1);
    });
    Ok(())
}

/// A task that panics between two runs, or while nobody waits, is told in the next.
///
/// Proves: the contract of tasks
pub fn a_panic_waits_in_its_handle(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let task = event_loop.spawn(async { panic!("earlier") });
        let ended = task.abort_handle();
        let _: &policy::task::JoinHandle<()> = &task;
        event_loop
            .run_until_complete(async {
                while !ended.is_finished() {
                    yield_now().await;
                }
            })
            .unwrap();
        assert!(block_on(task).unwrap_err().is_panic());
    });
}

/// A panic inside a task leaves no trace on its thread: no loop, no task.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_panic_leaves_no_trace_on_its_thread(make: Make<'_>) {
    run(make, async {
        let id = policy::get_running_loop().unwrap().state().id();
        let panics = policy::spawn(async {
            let inner = policy::new_event_loop().ok();
            let _entered = inner.map(policy::core::context::enter);
            panic!("with another loop entered")
        });
        assert!(panics.await.map(|(): ()| ()).unwrap_err().is_panic());
        assert!(policy::task::try_id().is_none());
        for _ in 0..10 {
            let found =
                policy::spawn(async { policy::get_running_loop().unwrap().state().id() }).await;
            assert_eq!(found.unwrap(), id);
        }
    });
}
