//! What a policy asks of the runtimes that it builds.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, context};
use policy_tokio::TokioPolicy;
use tokio::runtime::Builder;

fn thread_name() -> Option<String> {
    thread::current().name().map(str::to_owned)
}

fn refused(policy: TokioPolicy) -> (ErrorKind, String) {
    let error = policy.new_event_loop().unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn threads_have_the_name_and_the_hooks_that_were_asked_for() {
    for policy in [TokioPolicy::current_thread(), TokioPolicy::multi_thread().worker_threads(1)] {
        let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let policy = policy
            .thread_name("mine")
            .thread_stack_size(1 << 20)
            .event_interval(7)
            .on_thread_start({
                let started = started.clone();
                move || {
                    started.fetch_add(1, Ordering::SeqCst);
                }
            })
            .on_thread_stop({
                let stopped = stopped.clone();
                move || {
                    stopped.fetch_add(1, Ordering::SeqCst);
                }
            });
        let event_loop = policy.new_event_loop().unwrap();
        let job = event_loop.run_until_complete(event_loop.spawn_blocking(thread_name));
        assert_eq!(job.unwrap().unwrap().as_deref(), Some("mine"));
        assert!(started.load(Ordering::SeqCst) >= 1);
        event_loop.close_within(std::time::Duration::from_secs(60)).unwrap();
        drop(event_loop);
        // A thread for blocking jobs may end after its runtime.
        while stopped.load(Ordering::SeqCst) < started.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

#[test]
fn no_more_blocking_jobs_run_at_once_than_may() {
    let policy = TokioPolicy::current_thread().max_blocking_threads(1);
    let event_loop = policy.new_event_loop().unwrap();
    let (finish, finished) = mpsc::channel::<()>();
    let first = event_loop.spawn_blocking(move || finished.recv());
    let second = event_loop.spawn_blocking(|| ());
    assert!(!second.is_finished());
    finish.send(()).unwrap();
    event_loop.run_until_complete(first).unwrap().unwrap().unwrap();
    event_loop.run_until_complete(second).unwrap().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn what_tokio_would_panic_on_is_an_error() {
    let policies = || [TokioPolicy::current_thread(), TokioPolicy::multi_thread()];
    for policy in policies() {
        assert_eq!(refused(policy.max_blocking_threads(0)).0, ErrorKind::InvalidInput);
    }
    for policy in policies() {
        assert_eq!(refused(policy.event_interval(0)).0, ErrorKind::InvalidInput);
    }
    for policy in policies() {
        assert_eq!(refused(policy.thread_name("a\0b")).0, ErrorKind::InvalidInput);
    }
    // Half of the address space, where threads are started at once.
    let huge = TokioPolicy::multi_thread().worker_threads(1).thread_stack_size(usize::MAX / 2);
    assert_eq!(refused(huge).0, ErrorKind::Io);
    // The threads of others.
    let runtime = Builder::new_current_thread().build().unwrap();
    let lent = || TokioPolicy::from_handle(runtime.handle().clone());
    let (kind, message) = refused(lent().thread_name("mine"));
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert!(message.contains("its builder"), "{message}");
    assert_eq!(refused(lent().on_thread_start(|| ())).0, ErrorKind::InvalidInput);
}

#[test]
fn a_builder_makes_as_many_loops_as_are_wanted() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("theirs");
    let policy = TokioPolicy::from_builder(builder);
    let (first, second) = (policy.new_event_loop().unwrap(), policy.new_event_loop().unwrap());
    for event_loop in [first, second] {
        assert!(event_loop.is_self_driving());
        let id = event_loop.state().id();
        let task = event_loop.spawn(async move {
            // Also what tokio itself spawned there.
            let found = || context::running().map(|found| found.state().id());
            (thread_name(), found(), tokio::spawn(async move { found() }).await.unwrap())
        });
        let (name, ours, theirs) = event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(name.as_deref(), Some("theirs"));
        assert_eq!((ours, theirs), (Some(id), Some(id)));
        event_loop.close().unwrap();
    }
    // Timers are on, though the builder did not say so.
    let policy = TokioPolicy::from_builder(Builder::new_current_thread());
    let event_loop: Arc<dyn EventLoop> = policy.new_event_loop().unwrap();
    assert!(!event_loop.is_self_driving());
    let slept = event_loop.run_until_complete(async {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        context::running().is_some()
    });
    assert!(slept.unwrap());
    event_loop.close().unwrap();
}
