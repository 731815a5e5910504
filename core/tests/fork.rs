//! A child of `fork` has the memory of its parent's loops, and none of their
//! threads. A file of its own: nothing else may run while it forks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]
#![allow(unsafe_code, reason = "`fork`, which is what is tested")]

mod common;

use std::future::ready;
use std::sync::atomic::Ordering::SeqCst;

use policy_core::ErrorKind;

use common::TinyLoop;

/// Runs `f` in a child of `fork` and returns the code that the child exits with.
fn in_child(f: impl FnOnce() -> u8) -> i32 {
    // SAFETY: the child calls `f`, which starts no thread and waits for none, and
    // leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = f();
        // SAFETY: takes no pointer.
        unsafe { libc::_exit(code.into()) }
    }
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "the child was killed: {status}");
    libc::WEXITSTATUS(status)
}

#[test]
fn a_forked_child_sees_that_the_loop_stayed_with_its_parent() {
    let event_loop = TinyLoop::new();
    event_loop.run_until_complete(ready(())).unwrap();

    let code = in_child(|| {
        let refused = event_loop.state().check_open().err().map(|error| error.kind());
        u8::from(refused != Some(ErrorKind::Forked) || !event_loop.state().is_forked())
    });
    assert_eq!(code, 0, "open in the child");

    // Forked while the loop runs: the child's copy does not, and can be let go of.
    let inner = event_loop.clone();
    let code = event_loop.run_until_complete(async move {
        in_child(|| {
            let same = inner.state();
            let closed = !inner.is_running() && inner.close().is_ok() && inner.is_closed();
            u8::from(!closed || same.close_on_drop())
        })
    });
    assert_eq!(code.unwrap(), 0, "not closed in the child");

    // Callbacks that wait are the parent's: the child neither calls nor drops them,
    // and gives none.
    let held = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let called = held.clone();
    let handle = event_loop.call_soon(move || called.store(true, SeqCst));
    let copy = event_loop.clone();
    let code = in_child(|| {
        let forked = Some(ErrorKind::Forked);
        let refused = |result: Result<_, policy_core::Error>| {
            result.err().map(|error| error.kind()) == forked
        };
        let soon = refused(copy.try_call_soon(|| ()).map(drop));
        let later = refused(copy.try_call_at(copy.time(), || ()).map(drop));
        copy.stop();
        let silent = copy.close().is_ok() && !handle.cancelled() && !held.load(SeqCst);
        u8::from(!soon || !later || !silent || !copy.call_soon(|| ()).cancelled())
    });
    assert_eq!(code, 0, "callbacks in the child");
    event_loop.run_until_complete(ready(())).unwrap();
    assert!(held.load(SeqCst), "the parent calls it");

    // A loop that the child makes is its own.
    let code = in_child(|| u8::from(TinyLoop::new().run_until_complete(ready(1)).ok() != Some(1)));
    assert_eq!(code, 0, "a new loop does not run in the child");

    assert!(!event_loop.state().is_forked());
    assert_eq!(event_loop.run_until_complete(ready(1)).unwrap(), 1);
}
