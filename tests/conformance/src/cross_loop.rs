//! Several loops in one process, of this policy and of every other that is compiled
//! in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use policy::task::{JoinSet, yield_now};
use policy::time::{Duration, sleep};
use policy::{EventLoopPolicy, Runner, get_running_loop};

use crate::Make;
use crate::support::{Gate, block_on, driven, new_loop, run};

/// The other side of each test: the policies compiled in, and this one once more.
fn others(make: Make<'_>) -> Vec<Arc<dyn EventLoopPolicy>> {
    let named = policy::policy_names().into_iter().filter_map(|name| policy::from_name(name).ok());
    let usable = |policy: &Arc<dyn EventLoopPolicy>| match policy.new_event_loop() {
        Ok(event_loop) => event_loop.close().is_ok(),
        // The default policy without a default loop.
        Err(_) => false,
    };
    std::iter::once(make()).chain(named.filter(usable)).collect()
}

/// Runs `other` under each of the other policies in a thread of its own, and `here`
/// under this one meanwhile.
fn with_each_other<F, G>(make: Make<'_>, pair: impl Fn() -> (F, G))
where
    F: Future<Output = ()>,
    G: Future<Output = ()> + Send,
{
    for policy in others(make) {
        let (here, there) = pair();
        thread::scope(|scope| {
            let other = scope.spawn(move || {
                let mut runner = Runner::with_policy(policy);
                runner.run(there).unwrap();
                runner.close().unwrap();
            });
            run(make, here);
            other.join().unwrap();
        });
    }
}

/// Tasks of two loops talk over channels.
///
/// Proves: 'two loops of different executors run at once'
pub fn tasks_of_two_loops_talk(make: Make<'_>) {
    with_each_other(make, || {
        let (ping, pings) = async_channel::bounded::<u32>(1);
        let (pong, pongs) = async_channel::bounded::<u32>(1);
        let here = async move {
            let task = policy::spawn(async move {
                let mut n = 0;
                for _ in 0..200 {
                    ping.send(n).await.unwrap();
                    n = pongs.recv().await.unwrap();
                }
                n
            });
            assert_eq!(task.await.unwrap(), 200);
        };
        let there = async move {
            let task = policy::spawn(async move {
                while let Ok(n) = pings.recv().await {
                    pong.send(n + 1).await.unwrap();
                }
            });
            task.await.unwrap();
        };
        (here, there)
    });
}

/// A task of one loop is awaited in another, both ways at once.
///
/// Proves: the contract of tasks, B95
pub fn a_task_of_one_loop_is_awaited_in_another(make: Make<'_>) {
    with_each_other(make, || {
        let (to_there, from_here) = async_channel::bounded(1);
        let (to_here, from_there) = async_channel::bounded(1);
        let done = (Gate::default(), Gate::default());
        let (mine, theirs) = (done.clone(), done);
        let here = async move {
            let id = get_running_loop().unwrap().state().id();
            let answer = async move {
                sleep(Duration::from_millis(1)).await;
                assert_eq!(get_running_loop().unwrap().state().id(), id);
                "here"
            };
            to_there.send(policy::spawn(answer)).await.unwrap();
            let handle: policy::task::JoinHandle<&str> = from_there.recv().await.unwrap();
            assert_eq!(handle.await.unwrap(), "there");
            mine.0.open();
            mine.1.wait().await;
        };
        let there = async move {
            let answer = async {
                yield_now().await;
                "there"
            };
            to_here.send(policy::spawn(answer)).await.unwrap();
            let handle: policy::task::JoinHandle<&str> = from_here.recv().await.unwrap();
            assert_eq!(handle.await.unwrap(), "here");
            theirs.1.open();
            theirs.0.wait().await;
        };
        (here, there)
    });
}

/// A loop hands work to another by its handle, and each task runs where it was given.
///
/// Proves: 'what was made stays with its loop', 'every call has its twin on the loop'
pub fn a_loop_gives_work_to_another(make: Make<'_>) {
    for policy in others(make) {
        let other = policy.new_event_loop().unwrap();
        driven(&other, || {
            run(make, async {
                let (mine, theirs) = (get_running_loop().unwrap(), other.state().id());
                let mut set = JoinSet::new();
                for n in 0..40 {
                    let event_loop = if n % 2 == 0 { &mine } else { &other };
                    set.spawn_on(
                        async move {
                            yield_now().await;
                            (n, get_running_loop().unwrap().state().id())
                        },
                        event_loop,
                    );
                }
                while let Some(result) = set.join_next().await {
                    let (n, ran_on) = result.unwrap();
                    let expected = if n % 2 == 0 { mine.state().id() } else { theirs };
                    assert_eq!(ran_on, expected);
                }
                assert!(other.spawn_blocking(|| get_running_loop().is_err()).await.unwrap());
            });
        });
        other.close().unwrap();
    }
}

/// A task that waits for another loop's task is told when that loop closes.
///
/// Proves: B75, the contract of tasks
pub fn a_wait_across_loops_ends_when_the_other_closes(make: Make<'_>) {
    for policy in others(make) {
        let other = policy.new_event_loop().unwrap();
        let pending = other.spawn(std::future::pending::<()>());
        let closer = thread::spawn(move || other.close().unwrap());
        run(make, async {
            assert!(policy::spawn(pending).await.unwrap().unwrap_err().is_cancelled());
        });
        closer.join().unwrap();
    }
}

/// Aborting from another loop cancels the task in its own.
///
/// Proves: the contract of tasks
pub fn a_task_is_aborted_from_another_loop(make: Make<'_>) {
    for policy in others(make) {
        let other = policy.new_event_loop().unwrap();
        driven(&other, || {
            run(make, async {
                let task = other.spawn(std::future::pending::<()>());
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            });
        });
        other.close().unwrap();
    }
}

/// The same code sees the loop that it runs in, whichever that is, in either loop's
/// threads.
///
/// Proves: 'the running loop is known while it polls', 'the loop that a call means'
pub fn ambient_calls_follow_the_loop_that_runs_the_code(make: Make<'_>) {
    async fn library() -> (policy::core::LoopId, policy::core::LoopId) {
        let spawned = policy::spawn(async { get_running_loop().unwrap().state().id() });
        (get_running_loop().unwrap().state().id(), spawned.await.unwrap())
    }
    for policy in others(make) {
        let (mine, other) = (new_loop(make), policy.new_event_loop().unwrap());
        let check = |event_loop: &Arc<dyn policy::EventLoop>| {
            driven(event_loop, || {
                let (ran, spawned) = block_on(event_loop.spawn(library())).unwrap();
                assert_eq!((ran, spawned), (event_loop.state().id(), event_loop.state().id()));
            });
        };
        thread::scope(|scope| {
            scope.spawn(|| check(&mine));
            check(&other);
        });
        mine.close().unwrap();
        other.close().unwrap();
    }
}

/// A callback of one loop gives callbacks to another, which wakes up for them.
///
/// Proves: B89, 'every call has its twin on the loop'
pub fn callbacks_are_given_to_another_loop(make: Make<'_>) {
    for other in others(make) {
        let (here, there) = (new_loop(make), other.new_event_loop().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        driven(&there, || {
            let done = Gate::default();
            for _ in 0..10 {
                let (there, here_too) = (there.clone(), here.clone());
                let (count, done) = (count.clone(), done.clone());
                here.call_soon(move || {
                    there.call_soon_threadsafe(move || {
                        here_too.call_soon_threadsafe(move || {
                            if count.fetch_add(1, SeqCst) == 9 {
                                done.open();
                            }
                        });
                    });
                });
            }
            here.run_until_complete(done.wait()).unwrap();
        });
        here.close().unwrap();
        there.close().unwrap();
    }
}
