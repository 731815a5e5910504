//! What belongs to the process: descriptors, and `fork`. So one test, in a file of its
//! own.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::fs::{self, File};
use std::future::pending;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use futures_lite::future;
use policy_compio::{CompioPolicy, Driver, ProactorEventLoop};
use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, Resource};

#[test]
fn nothing_is_left_and_little_is_needed() {
    // The first loop of a process finds out what the system has.
    run_and_close(&ProactorEventLoop::new().unwrap());
    for make in [any, polling] {
        let before = descriptors();
        a_closed_loop_leaves_no_descriptor(make);
        assert_eq!(descriptors(), before);
        a_loop_closed_elsewhere_leaves_none_once_another_runs(make);
        assert_eq!(descriptors(), before);
        a_thread_that_ends_leaves_none(make);
        assert_eq!(descriptors(), before);
        without_descriptors_a_run_says_so(make);
        assert_eq!(descriptors(), before);
        in_a_forked_child(make);
    }
}

fn any() -> Arc<dyn EventLoop> {
    ProactorEventLoop::new().unwrap()
}

fn polling() -> Arc<dyn EventLoop> {
    CompioPolicy::new().driver(Driver::Polling).new_event_loop().unwrap()
}

type Make = fn() -> Arc<dyn EventLoop>;

fn a_closed_loop_leaves_no_descriptor(make: Make) {
    for _ in 0..20 {
        let event_loop = make();
        busy(&event_loop);
        event_loop.close().unwrap();
    }
    // Nor one that is dropped open.
    for _ in 0..20 {
        let event_loop = make();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let source = event_loop.selector().unwrap().register(Arc::new(ours.into()));
        drop(event_loop.spawn(async move {
            let _left = (source, theirs);
            pending::<()>().await;
        }));
        event_loop.run_until_complete(future::yield_now()).unwrap();
    }
}

fn a_loop_closed_elsewhere_leaves_none_once_another_runs(make: Make) {
    let event_loop = make();
    busy(&event_loop);
    thread::spawn(move || event_loop.close().unwrap()).join().unwrap();
    run_and_close(&make());
}

fn a_thread_that_ends_leaves_none(make: Make) {
    let event_loop = make();
    let inside = event_loop.clone();
    thread::spawn(move || busy(&inside)).join().unwrap();
    busy(&event_loop);
    event_loop.close().unwrap();
}

fn without_descriptors_a_run_says_so(make: Make) {
    let event_loop = make();
    let before = limit_descriptors(64);
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let mut polled = false;
    let refused = event_loop.run_until_complete(async { polled = true }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    assert_eq!(refused.io_error().unwrap().raw_os_error(), Some(libc::EMFILE), "{refused}");
    assert!(!polled);
    drop(taken);
    limit_descriptors(before);
    // And works, as soon as there are some.
    run_and_close(&event_loop);
}

/// The ring is the parent's, and its memory is not even there: whatever touches it is
/// killed.
#[allow(unsafe_code, reason = "std can't fork")]
fn in_a_forked_child(make: Make) {
    let event_loop = make();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let source = event_loop.selector().unwrap().register(Arc::new(OwnedFd::from(ours))).unwrap();
    busy(&event_loop);
    // SAFETY: the child, which has this thread alone, drops what it has and ends. No
    // other thread of this test holds a lock that it could want.
    match unsafe { libc::fork() } {
        0 => {
            let refused = event_loop.run_until_complete(async {}).unwrap_err().kind();
            drop(source);
            event_loop.close().unwrap();
            drop(event_loop);
            let fresh = make();
            // Sweeps the former loop's part of this thread out.
            let works = fresh.run_until_complete(async { 1 }).unwrap() == 1;
            drop(fresh);
            let good = refused == ErrorKind::Forked && works;
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
    // The parent's is as good as before.
    busy(&event_loop);
    drop(source);
    event_loop.close().unwrap();
}

/// Runs the loop with a bit of everything, of which some is left.
fn busy(event_loop: &Arc<dyn EventLoop>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = Resource::from(ours);
    event_loop
        .run_until_complete(async {
            // Keeps the loop, until that is closed.
            let proactor = event_loop.proactor().unwrap();
            drop(event_loop.spawn(async move {
                let _theirs = theirs;
                let _never = proactor.recv(&ours, vec![0; 16]).await;
            }));
            let (watched, other) = UnixStream::pair().unwrap();
            let source = event_loop.selector().unwrap().register(Arc::new(watched.into()));
            drop(event_loop.spawn_local(async move {
                let _left = (source, other, Rc::new(()));
                pending::<()>().await;
            }));
            for _ in 0..10 {
                future::yield_now().await;
            }
        })
        .unwrap();
}

fn run_and_close(event_loop: &Arc<dyn EventLoop>) {
    event_loop.run_until_complete(future::yield_now()).unwrap();
    event_loop.close().unwrap();
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
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
