//! Threads of ours keep signals away, but for those that they cause themselves. A file of
//! its own: one story overflows a stack.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(unsafe_code, reason = "the mask of a thread is asked for")]

use std::env;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::{ptr, thread};

use policy_core::signal::{SignalKind, block_all_but};

const OVERFLOWS: &str = "POLICY_TEST_OVERFLOWS";

fn is_blocked(signal: i32) -> bool {
    let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: asks for the mask of this thread.
    unsafe {
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()), 0);
        libc::sigismember(mask.as_ptr(), signal) == 1
    }
}

#[test]
fn signals_that_a_thread_causes_itself_are_not_kept_from_it() {
    thread::spawn(|| {
        let child = SignalKind::child().as_raw();
        block_all_but(&mut [child].into_iter());
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGABRT,
            libc::SIGTRAP,
            libc::SIGSYS,
            child,
        ] {
            assert!(!is_blocked(fault), "{fault}");
        }
        for other in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGPIPE, libc::SIGALRM] {
            assert!(is_blocked(other), "{other}");
        }
    })
    .join()
    .unwrap();
}

#[allow(unconditional_recursion, reason = "until the stack ends")]
fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + room.iter().sum::<u64>()
}

/// It died without a word: the handler of std's was kept from it.
#[test]
fn a_stack_overflow_of_such_a_thread_says_so() {
    if env::var_os(OVERFLOWS).is_some() {
        let overflows = thread::Builder::new().name("policy-of-test".into()).spawn(|| {
            block_all_but(&mut std::iter::empty());
            overflow(0)
        });
        let _never = overflows.unwrap().join();
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args(["a_stack_overflow_of_such_a_thread_says_so", "--exact", "--nocapture"])
        .env(OVERFLOWS, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("overflowed its stack"), "{:?}: {said}", output.status);
    assert!(said.contains("policy-of-test"), "{said}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}
