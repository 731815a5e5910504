//! The pool for jobs that block. Alone in its process, which has only one pool.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod refused;

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use policy_async_io::blocking;
use policy_core::ErrorKind;
use policy_core::blocking::Gauge;

const HANG: Duration = Duration::from_secs(30);

#[test]
fn jobs_run_wait_or_are_refused_and_threads_end() {
    a_job_is_refused_where_no_thread_can_be_had();
    a_job_waits_where_no_second_thread_can_be_had();
    a_panic_of_a_job_costs_no_thread();
    while pool_threads() > 0 {
        thread::yield_now();
    }
}

/// What used to spin in `blocking`, with the lock of its pool.
fn a_job_is_refused_where_no_thread_can_be_had() {
    let gauge = Gauge::default();
    let (job, handle) = gauge.job(|| ());
    let error = refused::on_a_thread_that_starts_none(|| blocking::submit(job)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(libc::EAGAIN));
    assert!(handle.is_finished());
    assert_eq!(gauge.wait_finished(Duration::ZERO), 0);
    assert_eq!(pool_threads(), 0);
}

fn a_job_waits_where_no_second_thread_can_be_had() {
    let gauge = Gauge::default();
    let (tell, wait) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (first, _handle) = gauge.job(move || {
        tell.send(()).unwrap();
        released.recv().unwrap();
    });
    blocking::submit(first).unwrap();
    wait.recv_timeout(HANG).unwrap();
    let (second, handle) = gauge.job(|| 7);
    refused::on_a_thread_that_starts_none(|| blocking::submit(second)).unwrap();
    assert!(!handle.is_finished());
    release.send(()).unwrap();
    assert_eq!(async_io::block_on(handle).unwrap(), 7);
    assert_eq!(gauge.wait_finished(HANG), 0);
}

fn a_panic_of_a_job_costs_no_thread() {
    let gauge = Gauge::default();
    for _ in 0..3 {
        let (job, handle) = gauge.job(|| panic!("as asked"));
        blocking::submit(job).unwrap();
        assert!(async_io::block_on(handle).unwrap_err().is_panic());
    }
    assert_eq!(gauge.wait_finished(HANG), 0);
}

fn pool_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "policy-blocking").count()
}
