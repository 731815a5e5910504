//! The signals that our threads get. A file of its own: all threads of the process are looked
//! at.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod process_support;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use policy::signal::{SignalKind, signal};

use process_support::{eventually, everywhere, sh};

/// SIGSEGV and its like, blocked, end the process before a handler says why.
#[test]
fn no_thread_of_ours_keeps_faults_from_itself() {
    let seen = Mutex::new(BTreeSet::new());
    everywhere(async || {
        // Threads that wait for children, for signals and for jobs.
        let mut signals = signal(SignalKind::user_defined1()).unwrap();
        let listens =
            futures_lite::future::block_on(futures_lite::future::poll_once(signals.recv()));
        assert!(listens.is_none());
        policy::spawn_blocking(|| ()).await.unwrap();
        let mut child = sh("read line").stdin(std::process::Stdio::piped()).spawn().unwrap();
        // Taken, since a wait closes it, and the child would end.
        let _open = child.stdin.take();
        let waits = child.wait();
        let mut waits = std::pin::pin!(waits);
        assert!(futures_lite::future::poll_once(waits.as_mut()).await.is_none());
        look(&mut seen.lock().unwrap());
    });
    let seen = seen.into_inner().unwrap();
    println!("looked at {seen:?}");
    assert!(seen.len() >= 3, "{seen:?}");
}

fn look(seen: &mut BTreeSet<String>) {
    const FAULTS: [i32; 7] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGABRT,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |file| fs::read_to_string(task.path().join(file));
        // It may have ended.
        let Ok(name) = read("comm") else { continue };
        if !name.starts_with("policy-") {
            continue;
        }
        // One that ends blocks all that the C library lets it, for the moment that it takes.
        eventually("no fault is blocked", || {
            let Ok(status) = read("status") else { return true };
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            FAULTS.iter().all(|fault| mask & (1 << (fault - 1)) == 0)
        });
        seen.insert(name.trim().to_owned());
    }
}
