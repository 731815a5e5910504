//! Runners, and the end of loops.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use policy::task::{JoinHandle, yield_now};
use policy::time::sleep;
use policy::{EventLoop, get_running_loop};

use crate::Make;
use crate::support::{
    Flag, Gate, NEVER, OnDrop, SHUTDOWN, block_on, in_thread, is_cancelled, new_loop, run,
};

/// Tasks that are left, wherever they wait, are cancelled; their destructors have run
/// when `run` returns, and their handles say so.
///
/// Proves: B55, B61
pub fn what_run_leaves_is_cancelled_and_gone(make: Make<'_>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let (_sender, receiver) = async_channel::bounded::<()>(1);
    let handles: Vec<JoinHandle<()>> = run(make, async {
        let leave = |what: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let gone = gone.clone();
            let held = OnDrop::new(move || _ = gone.fetch_add(1, SeqCst));
            policy::spawn(async move {
                let _held = held;
                what.await;
            })
        };
        let inner = policy::spawn(pending::<()>());
        let handles = vec![
            leave(Box::pin(pending())),
            leave(Box::pin(sleep(NEVER))),
            leave(Box::pin(async move { _ = receiver.recv().await })),
            leave(Box::pin(async move {
                // It may be told of the other's end before its own.
                _ = inner.await;
                pending::<()>().await;
            })),
            leave(Box::pin(async {
                loop {
                    yield_now().await;
                }
            })),
        ];
        for _ in 0..5 {
            yield_now().await;
        }
        handles
    });
    assert_eq!(gone.load(SeqCst), 5);
    assert!(handles.into_iter().all(is_cancelled));
}

/// What a task that is cancelled at the end spawns is cancelled too: nothing hangs.
///
/// Proves: B55, B58
pub fn what_destructors_spawn_at_the_end_is_cancelled(make: Make<'_>) {
    struct Respawns(Arc<AtomicUsize>, usize);
    impl Drop for Respawns {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            if self.1 > 0 {
                let next = Respawns(self.0.clone(), self.1 - 1);
                if let Ok(handle) = policy::try_spawn(async move {
                    let _next = next;
                    pending::<()>().await;
                }) {
                    drop(handle);
                }
            }
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    run(make, async {
        let held = Respawns(dropped.clone(), 3);
        drop(policy::spawn(async move {
            let _held = held;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(dropped.load(SeqCst), 4, "all destructors have run");
    assert_eq!(Arc::strong_count(&dropped), 1);
}

/// A task that panics while it is cancelled at the end changes nothing for `run`.
///
/// Proves: B57
pub fn a_panic_at_the_end_is_not_runs(make: Make<'_>) {
    let value = run(make, async {
        for _ in 0..3 {
            drop(policy::spawn(async {
                let _held = OnDrop::new(|| panic!("while it is cancelled"));
                pending::<()>().await;
            }));
        }
        yield_now().await;
        7
    });
    assert_eq!(value, 7);
}

/// The destructors of tasks that a loop closes see the loop that they belonged to.
///
/// Proves: 'the running loop is known while it polls', B61
pub fn destructors_at_the_end_see_their_loop(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (send, seen) = async_channel::bounded(1);
    let held = OnDrop::new(move || {
        let running = get_running_loop().map(|found| (found.state().id(), found.is_closed()));
        send.try_send(running).unwrap();
    });
    let started = Gate::default();
    let opens = started.clone();
    drop(event_loop.spawn(async move {
        let _held = held;
        opens.open();
        pending::<()>().await;
    }));
    event_loop.run_until_complete(started.wait()).unwrap();
    event_loop.close_within(SHUTDOWN).unwrap();
    assert_eq!(seen.try_recv().unwrap().unwrap(), (event_loop.state().id(), true));
}

/// A loop that is closed cancels what is left; one that was never run, too.
///
/// Proves: B75
pub fn close_cancels_what_is_left(make: Make<'_>) {
    for runs_first in [true, false] {
        let event_loop = new_loop(make);
        let dropped = Flag::default();
        let held = dropped.on_drop();
        let task = event_loop.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        if runs_first {
            event_loop.run_until_complete(yield_now()).unwrap();
        }
        event_loop.close_within(SHUTDOWN).unwrap();
        assert!(dropped.is_set());
        assert!(is_cancelled(task));
        // Closing again does nothing.
        event_loop.close().unwrap();
        assert_eq!(event_loop.close_within(SHUTDOWN).unwrap().blocking_jobs, 0);
    }
}

/// A loop whose last handle is dropped is closed: its tasks end as cancelled.
///
/// Proves: B45, B75
pub fn a_loop_that_is_dropped_is_closed(make: Make<'_>) {
    let event_loop = new_loop(make);
    let weak: Weak<dyn EventLoop> = Arc::downgrade(&event_loop);
    let task = event_loop.spawn(pending::<()>());
    event_loop.run_until_complete(yield_now()).unwrap();
    drop(event_loop);
    assert!(is_cancelled(task));
    goes(&weak);
}

/// Tasks that hold their own loop do not keep it open once it is closed.
///
/// Proves: B45
pub fn a_closed_loop_is_free_though_its_tasks_held_it(make: Make<'_>) {
    let event_loop = new_loop(make);
    let weak: Weak<dyn EventLoop> = Arc::downgrade(&event_loop);
    let inside = event_loop.clone();
    let task = event_loop.spawn(async move {
        let _inside = inside;
        pending::<()>().await;
    });
    event_loop.run_until_complete(yield_now()).unwrap();
    event_loop.close_within(SHUTDOWN).unwrap();
    drop(event_loop);
    assert!(is_cancelled(task));
    goes(&weak);
}

/// The last handle of another loop may be dropped, and another loop closed, inside a
/// running one: in main, in a task, in a blocking job.
///
/// Proves: 'a loop may be dropped anywhere'
pub fn another_loop_may_end_inside_a_running_one(make: Make<'_>) {
    let end = |dropped: Arc<dyn EventLoop>, closed: Arc<dyn EventLoop>| {
        let tasks = (dropped.spawn(pending::<()>()), closed.spawn(pending::<()>()));
        drop(dropped);
        closed.close().unwrap();
        tasks
    };
    let two = || (new_loop(make), new_loop(make));
    run(make, async {
        let (dropped, closed) = two();
        let in_main = end(dropped, closed);
        let (dropped, closed) = two();
        let in_task = policy::spawn(async move { end(dropped, closed) }).await.unwrap();
        let (dropped, closed) = two();
        let in_job = policy::spawn_blocking(move || end(dropped, closed)).await.unwrap();
        for (first, second) in [in_main, in_task, in_job] {
            assert!(first.await.unwrap_err().is_cancelled());
            assert!(second.await.unwrap_err().is_cancelled());
        }
    });
}

/// A loop with tasks in mid-air may be dropped inside a running one.
///
/// Proves: 'a loop may be dropped anywhere'
pub fn a_loop_that_has_run_may_be_dropped_inside_another(make: Make<'_>) {
    let event_loop = new_loop(make);
    let task = event_loop.spawn(sleep(NEVER));
    event_loop.run_until_complete(yield_now()).unwrap();
    let job = event_loop.spawn_blocking(|| 1);
    run(make, async move {
        drop(event_loop);
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(job.await.map_or(1, |one| one), 1);
    });
}

/// The last handle of a loop may be dropped by a task of it.
///
/// Proves: 'a loop may be dropped anywhere'
pub fn the_last_handle_may_be_dropped_by_a_task_of_the_loop(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (self_driving, weak) = (event_loop.is_self_driving(), Arc::downgrade(&event_loop));
    let (gate, ended) = (Gate::default(), Gate::default());
    let (waits, opens) = (gate.clone(), ended.clone());
    let inside = event_loop.clone();
    let task = event_loop.spawn(async move {
        let _ended = OnDrop::new(move || opens.open());
        waits.wait().await;
        drop(inside);
        yield_now().await;
    });
    if self_driving {
        event_loop.run_until_complete(yield_now()).unwrap();
        drop(event_loop);
        gate.open();
        // It has dropped its loop: it runs on for a moment, or is cancelled.
        drop(block_on(task));
    } else {
        gate.open();
        event_loop.run_until_complete(task).unwrap().unwrap();
        drop(event_loop);
    }
    ended.wait_blocking();
    goes(&weak);
}

/// The last handle of a loop may be dropped by a blocking job of it.
///
/// Proves: B100
pub fn the_last_handle_may_be_dropped_by_a_job_of_the_loop(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (release, held) = std::sync::mpsc::channel::<Arc<dyn EventLoop>>();
    let job = event_loop.spawn_blocking(move || drop(held.recv().unwrap()));
    release.send(event_loop).unwrap();
    block_on(job).unwrap();
}

/// Loop, handle and task may go in any order.
///
/// Proves: B45, B75
pub fn loop_handle_and_task_may_go_in_any_order(make: Make<'_>) {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let event_loop = new_loop(make);
        let gate = Gate::default();
        let waits = gate.clone();
        let task = event_loop.spawn(async move {
            waits.wait().await;
            vec![1, 2, 3]
        });
        let abort = task.abort_handle();
        event_loop.run_until_complete(yield_now()).unwrap();
        let mut parts: [Option<Box<dyn FnOnce()>>; 3] = [
            Some(Box::new(move || drop(event_loop))),
            Some(Box::new(move || drop(task))),
            Some(Box::new(move || abort.abort())),
        ];
        for part in order {
            parts[part].take().unwrap()();
        }
        gate.open();
    }
}

/// A loop may be closed and dropped by another thread than ran it.
///
/// Proves: B75
pub fn a_loop_may_be_closed_by_another_thread(make: Make<'_>) {
    for closes in [true, false] {
        let event_loop = new_loop(make);
        let task = event_loop.spawn(pending::<()>());
        event_loop.run_until_complete(yield_now()).unwrap();
        in_thread(move || {
            if closes {
                event_loop.close_within(SHUTDOWN).unwrap();
            }
            drop(event_loop);
        });
        assert!(is_cancelled(task));
    }
}

/// Threads that spawn while the loop closes get a result, or the word that the task
/// was cancelled: nobody hangs.
///
/// Proves: B240
pub fn spawning_while_the_loop_closes_hangs_nobody(make: Make<'_>) {
    for _ in 0..10 {
        let event_loop = new_loop(make);
        let closed = Flag::default();
        std::thread::scope(|scope| {
            let spawner = scope.spawn(|| {
                let mut handles = Vec::new();
                while !closed.is_set() {
                    handles.push(event_loop.spawn(async { 1 }));
                }
                handles.push(event_loop.spawn(async { 1 }));
                handles
            });
            event_loop.run_until_complete(yield_now()).unwrap();
            event_loop.close_within(SHUTDOWN).unwrap();
            closed.set();
            for handle in spawner.join().unwrap() {
                match block_on(handle) {
                    Ok(one) => assert_eq!(one, 1),
                    Err(error) => assert!(error.is_cancelled()),
                }
            }
        });
    }
}

/// Waits until nobody holds the loop: a thread that polls one of its tasks may do so
/// for a moment longer.
fn goes(event_loop: &Weak<dyn EventLoop>) {
    while event_loop.strong_count() > 0 {
        std::thread::yield_now();
    }
}

/// Loop, callbacks, their handles and what they hold may go in any order: nothing is
/// called that was cancelled or whose loop has gone, and all of it is dropped.
///
/// Proves: B45, B75, B86
pub fn loop_and_callbacks_may_go_in_any_order(make: Make<'_>) {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let event_loop = new_loop(make);
        let (of_soon, of_later, of_task) = (Flag::default(), Flag::default(), Flag::default());
        let (soon, later, task) = (of_soon.on_drop(), of_later.on_drop(), of_task.on_drop());
        // Each holds the loop that it was given to: the cycle ends when the loop is
        // closed, or the callback cancelled.
        let held = event_loop.clone();
        let later = event_loop.call_later(NEVER, move || drop((later, held)));
        let task = event_loop.spawn(async move {
            let _task = task;
            std::future::pending::<()>().await;
        });
        event_loop.run_until_complete(yield_now()).unwrap();
        let soon = event_loop.call_soon(move || drop(soon));
        let closing = event_loop.clone();
        let mut parts: [Option<Box<dyn FnOnce()>>; 3] = [
            Some(Box::new(move || {
                closing.close_within(SHUTDOWN).unwrap();
            })),
            Some(Box::new(move || drop((event_loop, task)))),
            Some(Box::new(move || {
                later.cancel();
                drop((soon, later));
            })),
        ];
        for part in order {
            parts[part].take().unwrap()();
        }
        assert!(of_soon.is_set() && of_later.is_set() && of_task.is_set(), "{order:?}");
    }
}
