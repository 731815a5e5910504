//! Tasks that stay on their thread. A loop that has none says so, and is skipped.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::thread::{self, ThreadId};

use policy::task::yield_now;
use policy::{ErrorKind, get_running_loop};

use crate::support::{
    Flag, Gate, OnDrop, SHUTDOWN, block_on, in_thread, kind, needs_local_tasks, new_loop, on_loop,
    run,
};
use crate::{Make, Skipped};

/// A local task need not be `Send`, and gives its value; `try_spawn_local` is its twin.
///
/// Proves: the documentation of `spawn_local`
pub fn a_local_task_need_not_be_send(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let shared = Rc::new(Cell::new(0));
        let counted = shared.clone();
        let task = policy::spawn_local(async move {
            for _ in 0..10 {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
            Rc::strong_count(&counted)
        });
        assert_eq!(task.await.unwrap(), 2);
        assert_eq!((shared.get(), Rc::strong_count(&shared)), (10, 1));
        let result: Rc<i32> = policy::try_spawn_local(async { Rc::new(1) }).unwrap().await.unwrap();
        assert_eq!(*result, 1);
        let event_loop = get_running_loop().unwrap();
        assert_eq!(event_loop.spawn_local(async { 2 }).await.unwrap(), 2);
    });
    Ok(())
}

/// A local task runs on the thread that runs the loop, after each `.await`, however
/// it was woken.
///
/// Proves: the documentation of `spawn_local`
pub fn a_local_task_stays_on_its_thread(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let here = thread::current().id();
        let (send, receive) = async_channel::bounded::<ThreadId>(1);
        let task = policy::spawn_local(async move {
            for _ in 0..20 {
                let elsewhere = receive.recv().await.unwrap();
                assert_ne!(elsewhere, here);
                assert_eq!(thread::current().id(), here);
                yield_now().await;
                assert_eq!(thread::current().id(), here);
                let job = policy::spawn_blocking(|| thread::current().id());
                assert_ne!(job.await.unwrap(), here);
                assert_eq!(thread::current().id(), here);
            }
        });
        let sender = thread::spawn(move || {
            for _ in 0..20 {
                send.send_blocking(thread::current().id()).unwrap();
            }
        });
        task.await.unwrap();
        sender.join().unwrap();
    });
    Ok(())
}

/// Local tasks and others wait for each other.
///
/// Proves: the contract of tasks
pub fn local_tasks_and_others_wait_for_each_other(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let (to_local, local) = async_channel::bounded::<u32>(1);
        let (to_task, task) = async_channel::bounded::<u32>(1);
        let ping = policy::spawn_local(async move {
            while let Ok(n) = local.recv().await {
                to_task.send(n + 1).await.unwrap();
            }
        });
        let pong = policy::spawn(async move {
            let mut n = 0;
            for _ in 0..200 {
                to_local.send(n).await.unwrap();
                n = task.recv().await.unwrap();
            }
            n
        });
        assert_eq!(pong.await.unwrap(), 200);
        ping.await.unwrap();
        // The handle of a local task travels, if the result does.
        let handle = policy::spawn_local(async { 1 });
        assert_eq!(policy::spawn(handle).await.unwrap().unwrap(), 1);
    });
    Ok(())
}

/// Local tasks take turns with each other and with main.
///
/// Proves: asyncio's `sleep(0)`
pub fn local_tasks_starve_nobody(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let done = Rc::new(Cell::new(false));
        let stop = done.clone();
        let spins = policy::spawn_local(async move {
            while !stop.get() {
                yield_now().await;
            }
        });
        assert_eq!(policy::spawn_local(async { 1 }).await.unwrap(), 1);
        assert_eq!(policy::spawn(async { 2 }).await.unwrap(), 2);
        policy::time::sleep(std::time::Duration::from_millis(1)).await;
        done.set(true);
        spins.await.unwrap();
    });
    Ok(())
}

/// Local tasks wait between two runs on their thread, and go on in the next.
///
/// Proves: B72
pub fn local_tasks_persist_between_runs(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    on_loop(make, |event_loop| {
        let gate = Gate::default();
        let waits = gate.clone();
        let task = event_loop
            .run_until_complete(async {
                let shared = Rc::new(1);
                let task = policy::spawn_local(async move {
                    waits.wait().await;
                    *shared
                });
                yield_now().await;
                task
            })
            .unwrap();
        gate.open();
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 1);
    });
    Ok(())
}

/// From a thread that does not run the loop, `spawn_local` is refused, and what was
/// given is dropped there.
///
/// Proves: 'errors come before side effects'
pub fn another_thread_spawns_no_local_task(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let by_hand = event_loop.clone();
        let job = policy::spawn_blocking(move || {
            let dropped = Flag::default();
            let held = dropped.on_drop();
            let ambient = kind(policy::try_spawn_local(async move { drop(held) }));
            assert!(dropped.is_set());
            assert!(block_on(by_hand.spawn_local(async {})).unwrap_err().is_cancelled());
            (ambient, kind(by_hand.try_spawn_local(async {})))
        });
        assert_eq!(job.await.unwrap(), (ErrorKind::WrongThread, ErrorKind::WrongThread));
        let elsewhere = in_thread(|| kind(event_loop.try_spawn_local(async {})));
        assert_eq!(elsewhere, ErrorKind::WrongThread);
    });
    Ok(())
}

/// A local task can be aborted from any thread; it is dropped on its own.
///
/// Proves: the contract of tasks
pub fn an_aborted_local_task_is_dropped_on_its_thread(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let here = thread::current().id();
        for polled_first in [true, false] {
            let (send, dropped_on) = async_channel::bounded(1);
            let held = OnDrop::new(move || send.try_send(thread::current().id()).unwrap());
            let task = policy::spawn_local(async move {
                let _held = (held, Rc::new(()));
                pending::<()>().await;
            });
            if polled_first {
                for _ in 0..3 {
                    yield_now().await;
                }
            }
            let abort = task.abort_handle();
            in_thread(|| abort.abort());
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(dropped_on.try_recv().unwrap(), here);
        }
    });
    Ok(())
}

/// Local tasks that are left are dropped, on their thread, when the loop closes.
///
/// Proves: B55, B75
pub fn local_tasks_are_dropped_when_the_loop_closes(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    let event_loop = new_loop(make);
    let here = thread::current().id();
    let (send, dropped_on) = async_channel::unbounded();
    let guard = |send: async_channel::Sender<ThreadId>| {
        OnDrop::new(move || send.try_send(thread::current().id()).unwrap())
    };
    let (polled, fresh) = (guard(send.clone()), guard(send));
    let handles = event_loop
        .run_until_complete(async {
            let polled = policy::spawn_local(async move {
                let _held = (polled, Rc::new(()));
                pending::<()>().await;
            });
            yield_now().await;
            let fresh = policy::spawn_local(async move {
                let _held = (fresh, Rc::new(()));
                pending::<()>().await;
            });
            [polled, fresh]
        })
        .unwrap();
    event_loop.close_within(SHUTDOWN).unwrap();
    assert_eq!((dropped_on.try_recv(), dropped_on.try_recv()), (Ok(here), Ok(here)));
    for handle in handles {
        assert!(block_on(handle).unwrap_err().is_cancelled());
    }
    Ok(())
}

/// Local tasks that `run` leaves are gone, with their destructors, when it returns.
///
/// Proves: B55
pub fn local_tasks_that_run_leaves_are_gone(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    let dropped = Rc::new(Cell::new(0));
    run(make, async {
        for _ in 0..3 {
            let counted = dropped.clone();
            let held = OnDrop::new(move || counted.set(counted.get() + 1));
            drop(policy::spawn_local(async move {
                let _held = held;
                pending::<()>().await;
            }));
        }
    });
    assert_eq!((dropped.get(), Rc::strong_count(&dropped)), (3, 1));
    Ok(())
}

/// A destructor of a local task may spawn another, also while the loop closes.
///
/// Proves: B58
pub fn a_local_destructor_may_use_the_loop(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    let refused = Rc::new(Cell::new(None));
    run(make, async {
        let seen = refused.clone();
        let held = OnDrop::new(move || seen.set(Some(policy::try_spawn_local(async {}).is_err())));
        drop(policy::spawn_local(async move {
            let _held = held;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(refused.get(), Some(true), "a loop that closes takes no more");
    Ok(())
}

/// A detached local task runs on.
///
/// Proves: the contract of tasks
pub fn a_detached_local_task_runs_on(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    run(make, async {
        let (gate, done) = (Gate::default(), Gate::default());
        let (waits, opens) = (gate.clone(), done.clone());
        drop(policy::spawn_local(async move {
            waits.wait().await;
            opens.open();
        }));
        yield_now().await;
        in_thread(|| gate.open());
        done.wait().await;
    });
    Ok(())
}
