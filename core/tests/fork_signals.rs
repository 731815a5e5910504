//! Signals in a child of `fork` that has the number of its parent, as in a namespace of its
//! own each first process has. A file of its own: nothing else may run while it forks.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(unsafe_code, reason = "`fork` and `unshare`, which is what is tested")]

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use policy_core::ErrorKind;
use policy_core::signal::{Listener, SignalKind, is_first};

const USR1: SignalKind = SignalKind::user_defined1();

/// Runs `f` in a child of `fork` and returns its status.
fn in_child(f: impl FnOnce() -> i32) -> libc::c_int {
    // SAFETY: the child calls `f` and leaves by `_exit`; no other thread of this process
    // has a lock that `f` needs.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = f();
        // SAFETY: takes no pointer.
        unsafe { libc::_exit(code) }
    }
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

fn own_namespace() -> bool {
    // SAFETY: takes flags; a user namespace first, which needs no privilege.
    unsafe {
        libc::unshare(libc::CLONE_NEWPID) == 0
            || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) == 0
    }
}

fn hears(listener: &mut Listener) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let begun = Instant::now();
    loop {
        match listener.poll_recv(&mut cx, None) {
            Poll::Ready(heard) => return heard.is_ok(),
            Poll::Pending if begun.elapsed() > Duration::from_secs(10) => return false,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// The child took the parent's holds and bells for its own: bytes went to the parent, and
/// what was there before was never put back.
#[test]
fn a_forked_child_with_the_number_of_its_parent_is_another_process() {
    const SKIPPED: i32 = 77;
    let status = in_child(|| {
        if !own_namespace() {
            return SKIPPED;
        }
        exit_code(in_child(|| {
            // The first process of a namespace.
            assert_eq!(std::process::id(), 1);
            let mut ours = Listener::new(USR1).unwrap();
            // Its thread begins: later the system starts none that would be in two
            // namespaces.
            let mut cx = Context::from_waker(Waker::noop());
            if ours.poll_recv(&mut cx, None).is_ready() {
                return 6;
            }
            if !own_namespace() {
                return SKIPPED;
            }
            let code = exit_code(in_child(|| {
                // And of another one.
                assert_eq!(std::process::id(), 1);
                let mut cx = Context::from_waker(Waker::noop());
                let Poll::Ready(Err(error)) = ours.poll_recv(&mut cx, None) else { return 1 };
                if error.kind() != ErrorKind::Forked {
                    return 2;
                }
                // SAFETY: takes a number. Sent to itself, it does to a first process what
                // the default does: nothing.
                unsafe { libc::raise(USR1.as_raw()) };
                let mut own = Listener::new(USR1).unwrap();
                // SAFETY: as above.
                unsafe { libc::raise(USR1.as_raw()) };
                if !hears(&mut own) {
                    return 3;
                }
                drop(own);
                // The parent's listener holds nothing here.
                if is_first(USR1) { 7 } else { 0 }
            }));
            if code == 0 && ours.poll_recv(&mut cx, None).is_ready() {
                // The bell or the count is the parent's.
                return 4;
            }
            // SAFETY: as above.
            unsafe { libc::raise(USR1.as_raw()) };
            if code == 0 && !hears(&mut ours) { 5 } else { code }
        }))
    });
    match exit_code(status) {
        0 => {}
        SKIPPED => println!("skipped: no namespaces of processes can be made here"),
        code => panic!("the child said {code}"),
    }
}

fn exit_code(status: libc::c_int) -> i32 {
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 100 }
}
