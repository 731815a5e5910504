//! What the tests of signals share.
#![allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses a part, a test that fails panics, and signals are raw"
)]

use std::fs;
use std::mem::MaybeUninit;
use std::ptr;

use policy::Runner;
use policy::signal::SignalKind;

/// Runs a story on every loop that is compiled in.
pub fn on_every_loop(story: impl AsyncFn()) {
    for name in policy::policy_names() {
        // Shown if the test fails.
        println!("on {name}");
        let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
        runner.run(story()).expect("the story runs to its end");
        runner.close().expect("the runner closes");
    }
}

/// Sends a signal to this thread, which has got it when this returns.
pub fn raise_here(kind: SignalKind) {
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

/// Sends a signal to this process: any thread may get it, and a little later.
pub fn kill_me(kind: SignalKind) {
    assert_eq!(unsafe { libc::kill(libc::getpid(), kind.as_raw()) }, 0);
}

/// To this thread: it has been handled when this returns, so that several do not become one.
pub fn raise(kind: SignalKind) {
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

pub fn disposition(kind: SignalKind) -> libc::sighandler_t {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    unsafe {
        libc::sigaction(kind.as_raw(), ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction
    }
}

pub fn set_disposition(kind: SignalKind, handler: libc::sighandler_t) {
    unsafe { libc::signal(kind.as_raw(), handler) };
}

fn only(kind: SignalKind) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), kind.as_raw());
        set.assume_init()
    }
}

/// Blocks a signal in every thread: libtest's own cannot be reached, so this ends them.
pub fn block(kind: SignalKind) {
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &only(kind), ptr::null_mut()) };
}

pub fn is_blocked(kind: SignalKind) -> bool {
    let mut set = only(kind);
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut set);
        libc::sigismember(&raw const set, kind.as_raw()) == 1
    }
}

/// Returns true if a signal waits for someone to take it.
pub fn pending(kind: SignalKind) -> bool {
    let mut set = MaybeUninit::uninit();
    unsafe {
        libc::sigpending(set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), kind.as_raw()) == 1
    }
}

pub fn threads_named(name: &str) -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}
