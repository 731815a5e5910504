//! The very first use of async-io under exhaustion. Alone in its process: there is
//! only one first use.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod refused;

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use policy_async_io::{reactor, timer};
use policy_core::ErrorKind;

#[test]
fn the_first_use_fails_with_an_error_and_a_later_one_works() {
    without_threads();
    let mut refused = 0;
    // With fewer free descriptors than it needs, however many those are.
    for free in 0..16 {
        let Err(error) = with_free_descriptors(free, reactor::start) else { break };
        assert_eq!(error.kind(), ErrorKind::Io, "{free} free");
        assert_eq!(error.io_error().and_then(io::Error::raw_os_error), Some(libc::EMFILE));
        refused += 1;
    }
    assert!(refused > 0);
    reactor::start().unwrap();
    works();
    in_a_forked_child();
}

/// async-io has a thread of its own.
fn without_threads() {
    let error = refused::on_a_thread_that_starts_none(reactor::start).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.io_error().and_then(io::Error::raw_os_error), Some(libc::EAGAIN));
}

/// Its thread too, which used to be gone for good after a failure: it is what
/// fires a timer while nobody is in `async_io::block_on`.
fn works() {
    let soon = || timer::at(Instant::now() + Duration::from_millis(2));
    async_io::block_on(soon());
    futures_lite::future::block_on(soon());
}

/// Its reactor is its parent's.
#[allow(unsafe_code, reason = "std can't fork")]
fn in_a_forked_child() {
    // SAFETY: the child calls two functions that take no lock which a thread of
    // this process could hold, and `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let refused = matches!(reactor::start(), Err(e) if e.kind() == ErrorKind::Forked);
            // SAFETY: ends the process, now.
            unsafe { libc::_exit(if refused { 42 } else { 1 }) }
        }
        child => {
            let mut status = 0;
            // SAFETY: a child of ours, and a pointer to an integer of ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(libc::WEXITSTATUS(status), 42);
        }
    }
}

fn with_free_descriptors<R>(free: usize, f: impl FnOnce() -> R) -> R {
    let before = limit_descriptors(64);
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - free);
    let result = f();
    drop(taken);
    limit_descriptors(before);
    result
}

#[allow(unsafe_code, reason = "there is no safe call for limits in std")]
fn limit_descriptors(limit: u64) -> u64 {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a pointer to a structure of the right type, which is ours.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut now) }, 0);
    let before = now.rlim_cur;
    now.rlim_cur = limit;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const now) }, 0);
    before
}
