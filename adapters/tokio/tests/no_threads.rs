//! A process that can get no more threads: alone in its process, because the limit
//! is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::fs;

use policy_core::{ErrorKind, EventLoopPolicy};
use policy_tokio::TokioPolicy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{current_thread, guarded};

#[test]
fn a_job_without_a_thread_and_a_loop_without_workers_are_errors() {
    guarded(|| {
        let event_loop = current_thread();
        let before = getrlimit(Resource::As);
        let pages: u64 = fs::read_to_string("/proc/self/statm")
            .unwrap()
            .split(' ')
            .next()
            .and_then(|size| size.parse().ok())
            .unwrap();
        // Room to work in, none for the stack of a thread.
        let limit = pages * rustix::param::page_size() as u64 + (1 << 20);
        setrlimit(Resource::As, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
        let refused = event_loop.try_spawn_blocking(|| ()).map(drop);
        let dropped = event_loop.spawn_blocking(|| ());
        let finished = dropped.is_finished();
        let started = TokioPolicy::multi_thread().worker_threads(1).new_event_loop().map(drop);
        setrlimit(Resource::As, before).unwrap();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Io);
        assert!(finished, "a job that never runs is cancelled");
        assert_eq!(started.unwrap_err().kind(), ErrorKind::Io);
        // Threads are to be had again.
        let job = event_loop.spawn_blocking(|| 1);
        assert_eq!(event_loop.run_until_complete(job).unwrap().unwrap(), 1);
        event_loop.close().unwrap();
    });
}
