//! A forked child: of its parent's loop only memory is there, and its own works.
//!
//! One file, because it forks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, unsafe_code, reason = "a test that fails panics; std can't fork")]

use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::{ErrorKind, EventLoop, Interest, Source};
use policy_poller::SelectorEventLoop;

/// Has one byte come through the loop's poller.
fn serves(event_loop: &Arc<dyn EventLoop>, source: &dyn Source, theirs: &UnixStream) -> bool {
    let writes = async {
        let mut tries = 0;
        poll_fn(|cx| {
            source.poll_io(cx, Interest::Readable, &mut |fd| {
                tries += 1;
                if tries == 1 {
                    return Err(std::io::ErrorKind::WouldBlock.into());
                }
                UnixStream::from(fd.try_clone_to_owned()?).read(&mut [0; 8])
            })
        })
        .await
    };
    let timer = event_loop.timer(Instant::now() + Duration::from_millis(1)).unwrap();
    event_loop.run_until_complete(timer).unwrap();
    (&*theirs).write_all(b"x").unwrap();
    matches!(event_loop.run_until_complete(writes), Ok(Ok(1)))
}

fn pair(event_loop: &Arc<dyn EventLoop>) -> (Box<dyn Source>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (event_loop.selector().unwrap().register(Arc::new(OwnedFd::from(ours))).unwrap(), theirs)
}

#[test]
fn a_forked_child_has_loops_of_its_own_and_leaves_its_parents_alone() {
    let event_loop = SelectorEventLoop::new().unwrap();
    let (source, theirs) = pair(&event_loop);
    assert!(serves(&event_loop, &*source, &theirs));
    // SAFETY: the child, which has this thread alone, uses what it has and ends. No other
    // thread of this test holds a lock that it could want.
    match unsafe { libc::fork() } {
        0 => {
            let refused = event_loop.run_until_complete(async {}).unwrap_err().kind();
            drop(source);
            let _forked = event_loop.close();
            drop(event_loop);
            let fresh = SelectorEventLoop::new().unwrap();
            let (source, theirs) = pair(&fresh);
            let good = refused == ErrorKind::Forked && serves(&fresh, &*source, &theirs);
            // SAFETY: ends the process, now.
            unsafe { libc::_exit(if good { 42 } else { 1 }) }
        }
        child => {
            let mut status = 0;
            // SAFETY: a child of ours, and a pointer to an integer of ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status), "killed: {status}");
            assert_eq!(libc::WEXITSTATUS(status), 42);
        }
    }
    // The child has not taken the descriptor out of the parent's poller.
    assert!(serves(&event_loop, &*source, &theirs));
    drop(source);
    event_loop.close().unwrap();
}
