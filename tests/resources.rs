//! What loops leave behind: nothing. Descriptors and threads of the process are counted,
//! so this file has one test.

#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy, Runner};

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

fn descriptors() -> usize {
    entries("/proc/self/fd")
}

fn threads() -> usize {
    entries("/proc/self/task")
}

/// A loop that has run, with a task and a timer left.
fn used(policy: &dyn EventLoopPolicy) -> Arc<dyn EventLoop> {
    let event_loop = policy.new_event_loop().unwrap();
    let run = event_loop.run_until_complete(async {
        drop(policy::spawn(policy::time::sleep(Duration::from_secs(3600))));
        drop(policy::spawn(std::future::pending::<()>()));
        policy::time::sleep(Duration::from_millis(1)).await;
    });
    run.unwrap();
    event_loop
}

fn life(policy: &Arc<dyn EventLoopPolicy>) {
    used(&**policy).close().unwrap();
    drop(used(&**policy));
    let mut runner = Runner::with_policy(policy.clone());
    runner.run(async { policy::spawn(async {}).await.unwrap() }).unwrap();
    drop(runner);
    // Inside another main loop, where that can be.
    #[cfg(unix)]
    for closes in [true, false] {
        if let Ok(mut guest) = policy::Guest::new(policy.clone(), || ()) {
            drop(guest.spawn(policy::time::sleep(Duration::from_secs(3600))));
            while !guest.turn().unwrap().is_idle() {}
            if closes {
                guest.close().unwrap();
            }
        }
    }
    // A loop that ends inside another, and one that goes with its thread.
    let inner = policy.clone();
    let mut runner = Runner::with_policy(policy.clone());
    runner.run(async { drop(inner.new_event_loop().unwrap()) }).unwrap();
    drop(runner);
    let theirs = policy.clone();
    let ends = move || theirs.set_event_loop(Some(used(&*theirs))).unwrap();
    thread::spawn(ends).join().unwrap();
}

#[test]
fn a_hundred_loops_leave_neither_descriptors_nor_threads() {
    for name in policy::policy_names() {
        let policy = policy::from_name(name).unwrap();
        // What is the process's own is made by the first: reactors, their threads.
        life(&policy);
        settle(name, usize::MAX, usize::MAX);
        let (before, running) = (descriptors(), threads());
        for _ in 0..20 {
            life(&policy);
        }
        settle(name, before, running);
    }
}

/// Waits until no more than these are left: what was dropped, and not closed, ends in
/// its own time. Twice the same count in a row is at rest, too.
fn settle(name: &str, fds: usize, tasks: usize) {
    let began = Instant::now();
    let mut last = (0, 0);
    loop {
        let now = (descriptors(), threads());
        if now.0 <= fds && now.1 <= tasks && (fds < usize::MAX || now == last) {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{name}: {now:?} descriptors and threads are left, and {:?} were there",
            (fds, tasks)
        );
        last = now;
        thread::sleep(Duration::from_millis(20));
    }
}
