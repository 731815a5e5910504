//! A child of `fork` has its parent's pool, and none of its threads. A file of its own:
//! nothing else may run while it forks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(unsafe_code, reason = "`fork`, which is what is tested")]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use policy_core::blocking::Gauge;

const LONG: Duration = Duration::from_secs(30);

/// Submits a job, and says whether it was done.
fn is_done() -> bool {
    let (tell, told) = mpsc::channel();
    let (job, _handle) = Gauge::default().job(move || tell.send(()).is_ok());
    policy_blocking::submit(job).is_ok() && told.recv_timeout(LONG).is_ok()
}

/// The pool counted the parent's idle threads, and a job waited for ever.
#[test]
fn a_forked_child_has_threads_for_its_jobs() {
    // Within the time that a thread waits for its next job.
    assert!(is_done());
    // And beside one that is at work, and one that waits for its turn.
    let (go, gone) = mpsc::channel::<()>();
    let (job, handle) = Gauge::default().job(move || gone.recv());
    policy_blocking::submit(job).unwrap();
    // SAFETY: the child uses its own pool, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let good = is_done() && is_done() && !handle.is_finished();
        // SAFETY: takes no pointer.
        unsafe { libc::_exit(if good { 42 } else { 1 }) }
    }
    let begun = Instant::now();
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if begun.elapsed() > LONG * 2 {
            // SAFETY: takes numbers; the child is not reaped yet.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "{status:#x}");
    // The parent's is as good as before.
    drop(go);
    assert!(is_done());
}
