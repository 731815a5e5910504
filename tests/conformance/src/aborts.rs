//! Tasks that are cancelled.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use policy::task::{AbortOnDrop, yield_now};
use policy::time::sleep;

use crate::Make;
use crate::support::{Flag, Gate, NEVER, block_on, driven, in_thread, is_cancelled, on_loop, run};

/// An aborted task ends as cancelled, and what it held has been dropped by then.
///
/// Proves: the contract of tasks
pub fn an_aborted_task_is_cancelled_and_dropped(make: Make<'_>) {
    run(make, async {
        let (started, dropped) = (Gate::default(), Flag::default());
        let (begins, held) = (started.clone(), dropped.on_drop());
        let task = policy::spawn(async move {
            let _held = held;
            begins.open();
            pending::<()>().await;
        });
        started.wait().await;
        assert!(!task.is_finished());
        task.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert!(error.to_string().contains("cancelled"), "{error}");
        assert!(dropped.is_set(), "the handle was told before the future was dropped");
    });
}

/// A task that is aborted before its first poll is never polled.
///
/// Proves: the contract of tasks
pub fn a_task_aborted_before_its_first_poll_is_never_polled(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let (polled, dropped) = (Flag::default(), Flag::default());
        let (polls, held) = (polled.clone(), dropped.on_drop());
        let task = event_loop.spawn(async move {
            let _held = held;
            polls.set();
            pending::<()>().await;
        });
        task.abort();
        let error = event_loop.run_until_complete(task).unwrap().unwrap_err();
        assert!(error.is_cancelled());
        assert!(dropped.is_set());
        // A loop with threads of its own may have been faster.
        assert!(!polled.is_set() || event_loop.is_self_driving());
    });
}

/// Aborting a task that has finished changes nothing: its result is still there.
///
/// Proves: the contract of tasks
pub fn aborting_a_finished_task_keeps_its_result(make: Make<'_>) {
    run(make, async {
        let task = policy::spawn(async { 1 });
        while !task.is_finished() {
            yield_now().await;
        }
        task.abort();
        task.abort_handle().abort();
        assert_eq!(task.await.unwrap(), 1);
    });
}

/// Aborting twice, from several threads, is as good as once.
///
/// Proves: the contract of tasks
pub fn aborting_twice_is_as_good_as_once(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            let dropped = Arc::new(AtomicUsize::new(0));
            for round in 1..=50 {
                let counted = dropped.clone();
                let held = crate::support::OnDrop::new(move || _ = counted.fetch_add(1, SeqCst));
                let task = event_loop.spawn(async move {
                    let _held = held;
                    pending::<()>().await;
                });
                let abort = task.abort_handle();
                in_thread(|| abort.abort());
                task.abort();
                abort.abort();
                assert!(is_cancelled(task));
                assert!(abort.is_finished());
                assert_eq!(dropped.load(SeqCst), round);
            }
        });
    });
}

/// A task that waits, for a timer, a channel or another task, is cancelled at once.
///
/// Proves: the contract of tasks
pub fn a_task_is_cancelled_wherever_it_waits(make: Make<'_>) {
    run(make, async {
        let sleeps = policy::spawn(async { sleep(NEVER).await });
        let (sender, receiver) = async_channel::bounded::<()>(1);
        let receives = policy::spawn(async move { _ = receiver.recv().await });
        let gate = Gate::default();
        let waits = gate.clone();
        let inner = policy::spawn(async move { waits.wait().await });
        let inner_ended = inner.abort_handle();
        let joins = policy::spawn(async move { inner.await.unwrap() });
        for _ in 0..10 {
            yield_now().await;
        }
        for task in [sleeps, receives, joins] {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(sender.is_closed(), "what the task held is gone");
        assert!(!inner_ended.is_finished(), "a task that was only waited for goes on");
        gate.open();
        while !inner_ended.is_finished() {
            yield_now().await;
        }
    });
}

/// A task that aborts itself ends at its next `.await`; one that has none keeps its
/// result.
///
/// Proves: the contract of tasks
pub fn a_task_may_abort_itself(make: Make<'_>) {
    run(make, async {
        let (send, receive) = async_channel::bounded::<policy::task::AbortHandle>(1);
        let (aborted, went_on) = (Flag::default(), Flag::default());
        let (sets, never) = (aborted.clone(), went_on.clone());
        let task = policy::spawn(async move {
            receive.recv().await.unwrap().abort();
            sets.set();
            yield_now().await;
            never.set();
        });
        send.send(task.abort_handle()).await.unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(aborted.is_set() && !went_on.is_set());

        let (send, receive) = async_channel::bounded::<policy::task::AbortHandle>(1);
        let task = policy::spawn(async move {
            receive.recv().await.unwrap().abort();
            1
        });
        send.send(task.abort_handle()).await.unwrap();
        assert_eq!(task.await.unwrap(), 1);
    });
}

/// A detached task can still be aborted by its abort handle.
///
/// Proves: the contract of tasks
pub fn a_detached_task_can_be_aborted(make: Make<'_>) {
    run(make, async {
        let (dropped, told) = (Flag::default(), Gate::default());
        let (held, opens) = (dropped.on_drop(), told.clone());
        let task = policy::spawn(async move {
            let _held = held;
            opens.open();
            pending::<()>().await;
        });
        let abort = task.abort_handle();
        drop(task);
        told.wait().await;
        assert!(!abort.is_finished());
        abort.abort();
        while !abort.is_finished() {
            yield_now().await;
        }
        assert!(dropped.is_set());
    });
}

/// A task of a loop that nobody runs can be aborted; it ends in the next run.
///
/// Proves: the contract of tasks
pub fn a_task_of_a_stopped_loop_can_be_aborted(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let started = Gate::default();
        let opens = started.clone();
        let task = event_loop.spawn(async move {
            opens.open();
            pending::<()>().await;
        });
        event_loop.run_until_complete(started.wait()).unwrap();
        in_thread(|| task.abort());
        let error = event_loop.run_until_complete(task).unwrap().unwrap_err();
        assert!(error.is_cancelled());
    });
}

/// Abort and end may race: the task is cancelled, or has its result, never neither.
///
/// Proves: the contract of tasks
pub fn abort_and_end_may_race(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            for _ in 0..300 {
                let task = event_loop.spawn(async {
                    yield_now().await;
                    1
                });
                let abort = task.abort_handle();
                abort.abort();
                match block_on(task) {
                    Ok(one) => assert_eq!(one, 1),
                    Err(error) => assert!(error.is_cancelled()),
                }
                assert!(abort.is_finished());
            }
        });
    });
}

/// A task that spawns, or aborts others, while it is dropped is welcome to.
///
/// Proves: the contract of tasks
pub fn a_destructor_may_use_the_loop(make: Make<'_>) {
    run(make, async {
        let (done, started) = (Gate::default(), Gate::default());
        let (opens, begins) = (done.clone(), started.clone());
        let other = policy::spawn(pending::<()>());
        let abort = other.abort_handle();
        let task = policy::spawn(async move {
            let _held = crate::support::OnDrop::new(move || {
                abort.abort();
                drop(policy::spawn(async move { opens.open() }));
            });
            begins.open();
            pending::<()>().await;
        });
        started.wait().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(other.await.unwrap_err().is_cancelled());
        done.wait().await;
    });
}

/// `AbortOnDrop` takes its task with it; detached, it does not.
///
/// Proves: the documentation of `AbortOnDrop`
pub fn abort_on_drop_takes_its_task_with_it(make: Make<'_>) {
    run(make, async {
        let task = AbortOnDrop::new(policy::spawn(pending::<()>()));
        let abort = task.abort_handle();
        assert!(!task.is_finished());
        assert_eq!(task.id(), abort.id());
        drop(task);
        while !abort.is_finished() {
            yield_now().await;
        }

        let gate = Gate::default();
        let waits = gate.clone();
        let task = AbortOnDrop::from(policy::spawn(async move {
            waits.wait().await;
            1
        }));
        let handle = task.detach();
        yield_now().await;
        gate.open();
        assert_eq!(handle.await.unwrap(), 1);
        assert_eq!(AbortOnDrop::new(policy::spawn(async { 2 })).await.unwrap(), 2);

        let task = AbortOnDrop::new(policy::spawn(pending::<()>()));
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

/// A future that panics when it is dropped by an abort is a panic of its task.
///
/// Proves: 'a panic never takes the loop down'
pub fn a_panic_while_it_is_cancelled_is_the_tasks_own(make: Make<'_>) {
    run(make, async {
        let started = Gate::default();
        let begins = started.clone();
        let task = policy::spawn(async move {
            let _held = crate::support::OnDrop::new(|| panic!("in the destructor"));
            begins.open();
            std::future::poll_fn(|_| Poll::<()>::Pending).await;
        });
        started.wait().await;
        task.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "in the destructor");
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
    });
}
