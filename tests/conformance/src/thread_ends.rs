//! What happens in the destructors of thread-locals, when a thread ends: nothing
//! aborts, nothing hangs, and what is called there says what it can't do.

use std::cell::RefCell;
use std::future::pending;
use std::sync::Arc;

use policy::task::{JoinHandle, JoinSet, yield_now};
use policy::time::{Sleep, sleep};
use policy::{EventLoop, EventLoopPolicy, Runner, get_running_loop, with_event_loop_policy};

use crate::support::{Flag, NEVER, OnDrop, in_thread, needs_local_tasks, new_loop};
use crate::{Make, Skipped};

/// Whatever a thread may leave in a thread-local.
#[derive(Default)]
struct Attic {
    runner: Option<Runner>,
    event_loop: Option<Arc<dyn EventLoop>>,
    handle: Option<JoinHandle<()>>,
    set: Option<JoinSet<()>>,
    sleep: Option<Sleep>,
    policy: Option<Arc<dyn EventLoopPolicy>>,
    last_words: Option<Box<dyn FnOnce()>>,
}

impl Drop for Attic {
    fn drop(&mut self) {
        if let Some(last_words) = self.last_words.take() {
            last_words();
        }
    }
}

thread_local!(static ATTIC: RefCell<Attic> = RefCell::default());

/// Runs `fill` on a new thread, with a thread-local that was made before everything
/// else of the thread, and once more with one that was made after it: destructors run
/// in an order that nobody promises.
fn at_the_end_of_a_thread(fill: impl Fn(&mut Attic) + Sync) {
    in_thread(|| ATTIC.with_borrow_mut(|attic| fill(attic)));
    in_thread(|| {
        let mut filled = Attic::default();
        fill(&mut filled);
        ATTIC.with_borrow_mut(|attic| std::mem::swap(attic, &mut filled));
    });
}

/// A runner in a thread-local, with tasks left.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_runner_may_go_with_its_thread(make: Make<'_>) {
    let dropped = Flag::default();
    at_the_end_of_a_thread(|attic| {
        let held = dropped.on_drop();
        let mut runner = Runner::with_policy(make());
        let task = runner.run(async {
            let task = policy::spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
            yield_now().await;
            task
        });
        attic.handle = Some(task.unwrap());
        attic.runner = Some(runner);
    });
    assert!(dropped.is_set());
}

/// A loop, its handles, sets and timers in a thread-local.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_loop_may_go_with_its_thread(make: Make<'_>) {
    let dropped = async_channel::unbounded();
    at_the_end_of_a_thread(|attic| {
        let sends = dropped.0.clone();
        let held = OnDrop::new(move || sends.try_send(()).unwrap());
        let event_loop = new_loop(make);
        let mut set = JoinSet::new();
        set.spawn_on(pending(), &event_loop);
        attic.handle = Some(event_loop.spawn(async move {
            let _held = held;
            sleep(NEVER).await;
        }));
        attic.sleep = Some(event_loop.run_until_complete(async { sleep(NEVER) }).unwrap());
        attic.set = Some(set);
        attic.event_loop = Some(event_loop);
    });
    // Elsewhere, if its tasks run elsewhere: a drop waits for nobody.
    for _ in 0..2 {
        dropped.1.recv_blocking().unwrap();
    }
}

/// A policy that has loops for its contexts, in a thread-local.
///
/// Proves: 'the running loop is known while it polls', B7
pub fn a_policy_may_go_with_its_thread(make: Make<'_>) {
    at_the_end_of_a_thread(|attic| {
        let policy = make();
        let event_loop = policy.new_event_loop().unwrap();
        event_loop.run_until_complete(yield_now()).unwrap();
        policy.set_event_loop(Some(event_loop)).unwrap();
        attic.policy = Some(policy);
    });
}

/// Local tasks that are left when their thread ends.
///
/// Proves: 'the running loop is known while it polls'
pub fn local_tasks_may_go_with_their_thread(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    for keeps_the_loop in [true, false] {
        at_the_end_of_a_thread(|attic| {
            let event_loop = new_loop(make);
            let leaves = event_loop.run_until_complete(async {
                drop(policy::spawn_local(async {
                    let _held = std::rc::Rc::new(());
                    pending::<()>().await;
                }));
                yield_now().await;
            });
            leaves.unwrap();
            if keeps_the_loop {
                attic.event_loop = Some(event_loop);
            }
        });
    }
    Ok(())
}

/// A thread that ends with local tasks of a loop that lives on elsewhere takes its
/// own with it; the loop is still good.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_loop_outlives_the_thread_of_its_local_tasks(make: Make<'_>) -> Result<(), Skipped> {
    needs_local_tasks(make)?;
    let event_loop = new_loop(make);
    let there = event_loop.clone();
    let task = in_thread(move || {
        there.run_until_complete(async { policy::spawn_local(pending::<()>()) }).unwrap()
    });
    let ended = crate::support::is_cancelled(task);
    assert!(ended, "its thread has gone, so it can never run again");
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
    event_loop.close().unwrap();
    Ok(())
}

/// Whatever is called in such a destructor gives a typed result.
///
/// Proves: 'the running loop is known while it polls', 'errors come before side effects'
pub fn calls_at_the_end_of_a_thread_are_answered(make: Make<'_>) {
    let answered = Flag::default();
    at_the_end_of_a_thread(|attic| {
        let event_loop = new_loop(make);
        let policy = make();
        event_loop.run_until_complete(yield_now()).unwrap();
        let (answers, owned) = (answered.clone(), event_loop.clone());
        attic.last_words = Some(Box::new(move || {
            assert!(get_running_loop().is_err());
            with_event_loop_policy(policy.clone(), || {
                drop(policy::get_event_loop());
                drop(policy::try_spawn(async {}));
                drop(policy::try_spawn_local(async {}));
                drop(policy::time::try_sleep(NEVER));
            });
            _ = policy::task::try_id();
            drop(owned.spawn(async {}));
            drop(owned.try_spawn_local(async {}));
            drop(policy.set_event_loop(Some(owned.clone())));
            owned.close().unwrap();
            answers.set();
        }));
        attic.event_loop = Some(event_loop);
    });
    assert!(answered.is_set(), "the destructor did not come to its end");
}

/// A loop may even be run in such a destructor, or refuse by a typed error.
///
/// Proves: 'the running loop is known while it polls', 'errors come before side effects'
pub fn a_loop_run_at_the_end_of_a_thread_answers(make: Make<'_>) {
    let answered = Flag::default();
    at_the_end_of_a_thread(|attic| {
        let (answers, policy) = (answered.clone(), make());
        attic.last_words = Some(Box::new(move || {
            let mut runner = Runner::with_policy(policy);
            if let Ok(value) = runner.run(async {
                yield_now().await;
                1
            }) {
                assert_eq!(value, 1);
            }
            drop(runner);
            answers.set();
        }));
    });
    assert!(answered.is_set(), "the destructor did not come to its end");
}
