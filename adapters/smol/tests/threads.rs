//! Which threads a multi-threaded loop has, and when. Alone in its process: it
//! counts them.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "../../async-io/tests/common/mod.rs"]
mod common;

use std::fs;

use common::without_hang;
use policy_core::{ErrorKind, EventLoopPolicy};
use policy_smol::SmolPolicy;

#[test]
fn workers_are_there_while_the_loop_is_open() {
    without_hang(|| {
        let policy = SmolPolicy::multi_thread().worker_threads(3);

        let event_loop = policy.new_event_loop().unwrap();
        await_workers(3);
        event_loop.close().unwrap();
        await_workers(0);

        let event_loop = policy.new_event_loop().unwrap();
        await_workers(3);
        drop(event_loop);
        await_workers(0);

        workers_that_were_started_stop_when_the_system_refuses_one();
    });
}

/// What used to be unwelcome in peers: a panic, or threads that stay.
fn workers_that_were_started_stop_when_the_system_refuses_one() {
    // Room for some stacks (2 MiB each), not for a thousand.
    let limit = address_space() + 64 * 1024 * 1024;
    let before = limit_address_space(limit);
    let made = SmolPolicy::multi_thread().worker_threads(1000).new_event_loop();
    limit_address_space(before);
    let error = made.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.io_error().is_some());
    await_workers(0);
    // And nothing lasts.
    let event_loop = SmolPolicy::multi_thread().worker_threads(2).new_event_loop().unwrap();
    let handle = event_loop.spawn(async { 6 * 7 });
    assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 42);
    event_loop.close().unwrap();
}

fn workers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("policy-smol-")).count()
}

/// A thread that has just been started names itself; one that was joined is still listed
/// for a moment, while the kernel takes it apart.
fn await_workers(count: usize) {
    while workers() != count {
        std::thread::yield_now();
    }
}

fn address_space() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    pages * 4096
}

#[allow(unsafe_code, reason = "there is no safe call for limits in std")]
fn limit_address_space(limit: u64) -> u64 {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a pointer to a structure of the right type, which is ours.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut now) }, 0);
    let before = now.rlim_cur;
    now.rlim_cur = limit;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const now) }, 0);
    before
}
