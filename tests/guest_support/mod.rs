//! A main loop of somebody else's, and what its process used.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use policy::Guest;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// It sleeps until it is told, or its timer is due.
#[derive(Default)]
pub(crate) struct Host {
    told: Mutex<bool>,
    changed: Condvar,
    /// For a host that watches descriptors.
    bell: Mutex<Option<UnixStream>>,
    pub(crate) turns: AtomicUsize,
}

impl Host {
    pub(crate) fn tell(&self) {
        *self.told.lock().unwrap() = true;
        self.changed.notify_all();
        if let Some(mut bell) = self.bell.lock().unwrap().as_ref() {
            bell.write_all(&[0]).unwrap();
        }
    }

    /// Runs the guest until `done`, or for `limit`.
    pub(crate) fn run(&self, guest: &mut Guest, limit: Duration, done: impl Fn() -> bool) {
        let end = Instant::now() + limit;
        while !done() && Instant::now() < end {
            let turn = guest.turn().unwrap();
            self.turns.fetch_add(1, SeqCst);
            let mut told = self.told.lock().unwrap();
            if turn.is_idle() && !*told && !done() {
                let until = turn.next_timer().map_or(end, |next| next.min(end));
                let wait = until.saturating_duration_since(Instant::now());
                told = self.changed.wait_timeout(told, wait).unwrap().0;
            }
            *told = false;
        }
    }

    /// The same by `poll`, as a host in C would.
    pub(crate) fn run_by_descriptor(&self, guest: &mut Guest, done: impl Fn() -> bool) {
        let (bell, mut rings) = UnixStream::pair().unwrap();
        rings.set_nonblocking(true).unwrap();
        *self.bell.lock().unwrap() = Some(bell);
        let end = Instant::now() + LONG;
        while !done() && Instant::now() < end {
            let turn = guest.turn().unwrap();
            if done() {
                break;
            }
            let until = match (turn.is_idle(), turn.next_timer()) {
                (false, _) => Instant::now(),
                (true, next) => next.map_or(end, |next| next.min(end)),
            };
            let wait = until.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(wait).unwrap();
            let mut fds = [
                PollFd::from_borrowed_fd(guest.as_fd().unwrap(), PollFlags::IN),
                PollFd::from_borrowed_fd(rings.as_fd(), PollFlags::IN),
            ];
            while poll(&mut fds, Some(&wait)) == Err(rustix::io::Errno::INTR) {}
            while matches!(rings.read(&mut [0; 64]), Ok(1..)) {}
        }
        self.bell.lock().unwrap().take();
    }
}

/// What this process has used, to a hundredth of a second.
pub(crate) fn processor_time() -> Duration {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    // After the name, which may have spaces: utime and stime are the 14th and 15th of all.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Forks, and returns what `story` says in the child; false if that does not end.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "std can't fork")]
pub(crate) fn with_fork(story: impl FnOnce() -> bool) -> bool {
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let good = story();
        unsafe { libc::_exit(if good { 42 } else { 1 }) };
    }
    // The story is the child's: it is not even dropped here.
    std::mem::forget(story);
    let (begun, mut status) = (Instant::now(), 0);
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if begun.elapsed() > LONG {
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42
}
