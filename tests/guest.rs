//! A loop that another main loop runs, turn by turn. One file, since it counts processor
//! time and sends itself signals.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::net::{TcpListener, TcpStream};
use policy::process::Command;
use policy::signal::{SignalKind, signal};
use policy::task::yield_now;
use policy::time::sleep;
use policy::{DefaultEventLoopPolicy, ErrorKind, Guest};

const LONG: Duration = Duration::from_secs(30);

/// A main loop of somebody else's: it sleeps until it is told, or its timer is due.
#[derive(Default)]
struct Host {
    told: Mutex<bool>,
    changed: Condvar,
    turns: AtomicUsize,
}

impl Host {
    fn tell(&self) {
        *self.told.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Runs the guest until `done`, or for `limit`.
    fn run(&self, guest: &mut Guest, limit: Duration, done: impl Fn() -> bool) {
        let end = Instant::now() + limit;
        while !done() && Instant::now() < end {
            let turn = guest.turn().unwrap();
            self.turns.fetch_add(1, SeqCst);
            let mut told = self.told.lock().unwrap();
            if turn.is_idle() && !*told {
                let until = turn.next_timer().map_or(end, |next| next.min(end));
                let wait = until.saturating_duration_since(Instant::now());
                told = self.changed.wait_timeout(told, wait).unwrap().0;
            }
            *told = false;
        }
    }
}

fn guest() -> (Arc<Host>, Guest) {
    let host = Arc::<Host>::default();
    let told = host.clone();
    let guest = Guest::new(DefaultEventLoopPolicy::new(), move || told.tell()).unwrap();
    (host, guest)
}

#[test]
fn sockets_children_timers_jobs_and_signals_work_in_a_guest() {
    let (host, mut guest) = guest();
    let task = guest.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let echo = policy::spawn(async move {
            let mut byte = [0];
            server.read_exact(&mut byte).await.unwrap();
            sleep(Duration::from_millis(5)).await;
            server.write_all(&byte).await.unwrap();
        });
        client.write_all(b"x").await.unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        echo.await.unwrap();
        let output = Command::shell("sleep 0.02; echo done").output().await.unwrap();
        let job = policy::spawn_blocking(|| 6 * 7).await.unwrap();
        let mut signals = signal(SignalKind::user_defined1()).unwrap();
        let kill = format!("kill -USR1 {}", std::process::id());
        assert!(Command::shell(kill).status().await.unwrap().success());
        signals.recv().await.unwrap();
        (byte, output.stdout, job)
    });
    host.run(&mut guest, LONG, || task.is_finished());
    let ended = guest.get_loop().run_until_complete(task).unwrap().unwrap();
    assert_eq!(ended, ([b'x'], b"done\n".to_vec(), 42));
    guest.close().unwrap();
}

#[test]
fn an_idle_guest_takes_no_turns() {
    let (host, mut guest) = guest();
    let _waits = guest.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.accept().await.unwrap();
    });
    let never = guest.spawn(sleep(Duration::from_secs(3600)));
    host.run(&mut guest, Duration::from_millis(300), || never.is_finished());
    // A few, until the listener waits.
    assert!(host.turns.load(SeqCst) < 20, "{} turns", host.turns.load(SeqCst));
}

#[test]
fn a_host_that_watches_the_descriptor_itself_is_not_woken_for_it() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let mut guest = Guest::new(DefaultEventLoopPolicy::new(), move || {
        count.fetch_add(1, SeqCst);
    })
    .unwrap();
    let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let watched = guest.as_fd().unwrap().try_clone_to_owned().unwrap();
    let task = guest.spawn(async move {
        let mut there = policy::net::UnixStream::from_std(there).unwrap();
        let mut byte = [0];
        there.read_exact(&mut byte).await.unwrap();
        byte
    });
    while !guest.turn().unwrap().is_idle() {}
    told.store(0, SeqCst);
    std::io::Write::write_all(&mut here, b"x").unwrap();
    let mut polled = [rustix::event::PollFd::new(&watched, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut polled, None).unwrap(), 1);
    // A thread that watched it, too, would tell the host by now.
    std::thread::sleep(Duration::from_millis(20));
    while !guest.turn().unwrap().is_idle() {}
    assert!(task.is_finished());
    assert_eq!(told.load(SeqCst), 0, "the host has seen it by itself");
}

#[test]
fn a_turn_runs_what_was_ready_when_it_began_and_does_not_wait() {
    let (_host, mut guest) = guest();
    let task = guest.spawn(async {
        for _ in 0..3 {
            yield_now().await;
        }
    });
    for _ in 0..3 {
        assert!(!guest.turn().unwrap().is_idle());
        assert!(!task.is_finished());
    }
    assert!(guest.turn().unwrap().is_idle());
    assert!(task.is_finished());
}

#[test]
fn the_host_is_told_once_between_two_turns_and_its_panic_harms_nobody() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut guest = Guest::new(DefaultEventLoopPolicy::new(), move || {
        count.fetch_add(1, SeqCst);
        panic!("a host's own");
    })
    .unwrap();
    let tasks: Vec<_> = (0..10).map(|n| guest.spawn(async move { n })).collect();
    assert_eq!(calls.load(SeqCst), 1);
    while !guest.turn().unwrap().is_idle() {}
    assert!(tasks.iter().all(policy::task::JoinHandle::is_finished));
    drop(guest.spawn(async {}));
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn a_turn_inside_of_a_run_is_refused() {
    let (_host, guest) = guest();
    let guest = Mutex::new(guest);
    policy::run(async {
        let refused = guest.lock().unwrap().turn().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::OtherLoopRunning);
    });
}

#[test]
fn a_guest_that_is_dropped_cancels_its_tasks() {
    let (_host, mut guest) = guest();
    let task = guest.spawn(std::future::pending::<()>());
    guest.turn().unwrap();
    drop(guest);
    assert!(task.is_finished());
}

#[cfg(feature = "tokio")]
#[test]
fn a_loop_that_needs_its_driver_says_that_it_can_be_no_guest() {
    for policy in [policy::TokioPolicy::current_thread(), policy::TokioPolicy::multi_thread()] {
        let error = Guest::new(policy, || ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("DefaultEventLoopPolicy"), "{error}");
    }
}
