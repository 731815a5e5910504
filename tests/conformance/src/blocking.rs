//! Jobs that block.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use policy::{ErrorKind, Runner, get_running_loop, with_event_loop_policy};

use crate::Make;
use crate::support::{Flag, Gate, NEVER, SHUTDOWN, block_on, kind, new_loop, on_loop, run};

/// A job runs on another thread, and its value comes back.
///
/// Proves: B98, 'every call has its twin on the loop'
pub fn a_job_runs_on_another_thread(make: Make<'_>) {
    run(make, async {
        let here = thread::current().id();
        let there = policy::spawn_blocking(|| thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        assert_eq!(policy::try_spawn_blocking(|| 1).unwrap().await.unwrap(), 1);
        let event_loop = get_running_loop().unwrap();
        assert_eq!(event_loop.spawn_blocking(|| 2).await.unwrap(), 2);
        assert_eq!(event_loop.try_spawn_blocking(|| 3).unwrap().await.unwrap(), 3);
        let from_task = policy::spawn(async { policy::spawn_blocking(|| 4).await.unwrap() });
        assert_eq!(from_task.await.unwrap(), 4);
    });
}

/// The loop goes on while jobs block.
///
/// Proves: B98
pub fn the_loop_goes_on_while_jobs_block(make: Make<'_>) {
    run(make, async {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let job = policy::spawn_blocking(move || held.recv());
        for n in 0..20 {
            assert_eq!(policy::spawn(async move { n }).await.unwrap(), n);
        }
        policy::time::sleep(Duration::from_millis(1)).await;
        assert!(!job.is_finished());
        release.send(()).unwrap();
        job.await.unwrap().unwrap();
    });
}

/// Several jobs run at once: they can wait for each other.
///
/// Proves: B98
pub fn several_jobs_run_at_once(make: Make<'_>) {
    run(make, async {
        let barrier = Arc::new(Barrier::new(4));
        let jobs: Vec<_> = (0..4)
            .map(|_| {
                let barrier = barrier.clone();
                policy::spawn_blocking(move || barrier.wait().is_leader())
            })
            .collect();
        let mut leaders = 0;
        for job in jobs {
            leaders += usize::from(job.await.unwrap());
        }
        assert_eq!(leaders, 1);
    });
}

/// A hundred jobs at once all end, each with its own value.
///
/// Proves: B98
pub fn a_hundred_jobs_all_end(make: Make<'_>) {
    run(make, async {
        let jobs: Vec<_> = (0..100)
            .map(|n| {
                policy::spawn_blocking(move || {
                    thread::yield_now();
                    n
                })
            })
            .collect();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), n);
        }
    });
}

/// Inside a job ambient calls mean the same loop, yet none runs there.
///
/// Proves: B38
pub fn inside_a_job_ambient_calls_mean_the_same_loop(make: Make<'_>) {
    run(make, async {
        let id = get_running_loop().unwrap().state().id();
        let (no_loop, handle) = policy::spawn_blocking(|| {
            let handle = policy::spawn(async { get_running_loop().unwrap().state().id() });
            (kind(get_running_loop()), handle)
        })
        .await
        .unwrap();
        assert_eq!(no_loop, ErrorKind::NoRunningLoop);
        assert_eq!(handle.await.unwrap(), id);

        let nested = policy::spawn_blocking(|| {
            let inner = policy::spawn_blocking(|| thread::current().id());
            (thread::current().id(), block_on(inner).unwrap())
        });
        let (outer, inner) = nested.await.unwrap();
        assert_ne!(outer, inner);

        let slept = policy::spawn_blocking(|| {
            let deadline = policy::time::Instant::now() + Duration::from_millis(2);
            block_on(policy::time::sleep_until(deadline));
            policy::time::Instant::now() >= deadline
        });
        assert!(slept.await.unwrap());
    });
}

/// A job may run a loop of its own.
///
/// Proves: B38, B64
pub fn a_job_may_run_a_loop_of_its_own(make: Make<'_>) {
    run(make, async {
        let outer = get_running_loop().unwrap().state().id();
        let policy = make();
        let job = policy::spawn_blocking(move || {
            let inner = with_event_loop_policy(policy, || {
                policy::run(async {
                    policy::spawn(async { get_running_loop().unwrap().state().id() }).await.unwrap()
                })
            });
            // And afterwards the outer one is meant again.
            let after = block_on(policy::spawn(async { get_running_loop().unwrap().state().id() }));
            (inner, after.unwrap())
        });
        let (inner, after) = job.await.unwrap();
        assert_ne!(inner, outer);
        assert_eq!(after, outer);
    });
}

/// A job that has begun runs to its end, whatever becomes of its handle.
///
/// Proves: B100
pub fn a_job_that_has_begun_runs_to_its_end(make: Make<'_>) {
    run(make, async {
        for abort in [true, false] {
            let (begun, ended) = (Gate::default(), Gate::default());
            let (opens, ends) = (begun.clone(), ended.clone());
            let (release, held) = std::sync::mpsc::channel::<()>();
            let job = policy::spawn_blocking(move || {
                opens.open();
                held.recv().unwrap();
                ends.open();
                1
            });
            begun.wait().await;
            if abort {
                job.abort();
                release.send(()).unwrap();
                // It ran to its end, so it has its result.
                assert_eq!(job.await.unwrap(), 1);
            } else {
                drop(job);
                release.send(()).unwrap();
            }
            ended.wait().await;
        }
    });
}

/// `run` returns only when the jobs have ended: those that run, and those that have
/// not begun.
///
/// Proves: B60
pub fn run_waits_for_blocking_jobs(make: Make<'_>) {
    let ended = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    run(make, async {
        for _ in 0..100 {
            let ended = ended.clone();
            drop(policy::spawn_blocking(move || {
                thread::yield_now();
                ended.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
            }));
        }
    });
    assert_eq!(ended.load(std::sync::atomic::Ordering::SeqCst), 100);
}

/// Tasks are cancelled before running jobs are waited for: a job that waits for the end
/// of a task holds up nothing.
///
/// Proves: B55, B60, B61
pub fn a_job_that_waits_for_a_task_ends_with_it(make: Make<'_>) {
    let begun = Gate::default();
    let opens = begun.clone();
    let mut runner = Runner::with_policy(make()).shutdown_limit(NEVER);
    let job = runner.run(async move {
        let (held, waits) = std::sync::mpsc::channel::<()>();
        drop(policy::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
        let job = policy::spawn_blocking(move || {
            opens.open();
            waits.recv().is_err()
        });
        begun.wait().await;
        job
    });
    assert_eq!(runner.close().unwrap().blocking_jobs, 0);
    assert!(block_on(job.unwrap()).unwrap());
}

/// A job that goes on for longer than the limit is reported, and goes on.
///
/// Proves: B60, B69
pub fn a_job_beyond_the_limit_is_reported(make: Make<'_>) {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begun, ended) = (Gate::default(), Gate::default());
    let (opens, ends) = (begun.clone(), ended.clone());
    let mut runner = Runner::with_policy(make()).shutdown_limit(Duration::from_millis(20));
    runner
        .run(async move {
            drop(policy::spawn_blocking(move || {
                opens.open();
                held.recv().unwrap();
                ends.open();
            }));
            begun.wait().await;
        })
        .unwrap();
    let event_loop = runner.get_loop().unwrap();
    assert_eq!(runner.close().unwrap().blocking_jobs, 1);
    assert!(event_loop.is_closed() && !ended.is_open());
    release.send(()).unwrap();
    ended.wait_blocking();
}

/// `close` waits for no job; `close_within` waits, and reports none.
///
/// Proves: B60, B75
pub fn close_waits_for_no_job(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let begun = Gate::default();
    let opens = begun.clone();
    let job = event_loop.spawn_blocking(move || {
        opens.open();
        held.recv().unwrap();
        1
    });
    begun.wait_blocking();
    event_loop.close().unwrap();
    assert!(!job.is_finished());
    release.send(()).unwrap();
    assert_eq!(block_on(job).unwrap(), 1, "a job outlives its loop");

    let event_loop = new_loop(make);
    let ended = Flag::default();
    let sets = ended.clone();
    drop(event_loop.spawn_blocking(move || sets.set()));
    let report = event_loop.close_within(SHUTDOWN).unwrap();
    assert_eq!(report.blocking_jobs, 0);
    assert!(ended.is_set());
}

/// A job keeps neither its loop open nor the process: what it calls after the loop
/// has gone is an error.
///
/// Proves: B100
pub fn a_job_whose_loop_has_gone_is_told_so(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let begun = Gate::default();
    let opens = begun.clone();
    let job = event_loop.spawn_blocking(move || {
        opens.open();
        held.recv().unwrap();
        kind(policy::try_spawn(async {}))
    });
    begun.wait_blocking();
    event_loop.close().unwrap();
    release.send(()).unwrap();
    let told = block_on(job).unwrap();
    assert_eq!(told, ErrorKind::LoopClosed);
}

/// A job may be given to a loop that nobody runs: it needs no loop to run.
///
/// Proves: B98
pub fn a_job_needs_no_running_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        assert_eq!(block_on(event_loop.spawn_blocking(|| 1)).unwrap(), 1);
    });
}

/// A loop takes another executor for its blocking jobs: they run there, are waited for
/// at the end, and then it goes. A closed loop takes none.
///
/// Proves: B99, B60
pub fn a_loop_takes_another_executor(make: Make<'_>) {
    let event_loop = new_loop(make);
    let (send, jobs) = std::sync::mpsc::channel::<policy::Job>();
    let worker = thread::spawn(move || {
        // Ends when the executor is dropped.
        jobs.into_iter().for_each(policy::Job::run);
    });
    let there = worker.thread().id();
    let executor = move |job| send.send(job).map_err(|_| ErrorKind::LoopClosed.into());
    event_loop.set_default_executor(executor).unwrap();
    event_loop
        .run_until_complete(async {
            let ran_on = policy::spawn_blocking(|| thread::current().id());
            assert_eq!(ran_on.await.unwrap(), there);
            let panics = policy::spawn_blocking(|| panic!("the job of this test"));
            assert!(panics.await.unwrap_err().is_panic());
        })
        .unwrap();
    let (begun, finish) = (Gate::default(), Gate::default());
    let (opener, waits) = (begun.clone(), finish.clone());
    let last = event_loop.spawn_blocking(move || {
        opener.open();
        waits.wait_blocking();
        1
    });
    begun.wait_blocking();
    finish.open();
    let report = event_loop.close_within(SHUTDOWN).unwrap();
    assert_eq!(report.blocking_jobs, 0);
    assert_eq!(block_on(last).unwrap(), 1);
    worker.join().unwrap();
    let refused = event_loop.set_default_executor(|_job| Ok(()));
    assert_eq!(kind(refused), ErrorKind::LoopClosed);
}

/// An executor that takes no job has its error passed on, and the job is cancelled.
///
/// Proves: B99, B100
pub fn an_executor_may_refuse_jobs(make: Make<'_>) {
    on_loop(make, |event_loop| {
        event_loop.set_default_executor(|_job| Err(ErrorKind::LimitReached.into())).unwrap();
        let refused = event_loop.try_spawn_blocking(|| 1);
        assert_eq!(kind(refused), ErrorKind::LimitReached);
        assert!(block_on(event_loop.spawn_blocking(|| 1)).unwrap_err().is_cancelled());
    });
}
