//! A loop that another main loop runs, turn by turn: each story on each loop that can be a
//! guest. One file, since it counts processor time, forks, and sends itself signals.
#![cfg(all(unix, feature = "default-loop", feature = "io-util"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod guest_support;

use std::future::{pending, poll_fn};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::net::{TcpListener, TcpStream};
use policy::process::Command;
use policy::signal::{SignalKind, ctrl_c, signal};
use policy::task::{JoinHandle, yield_now};
use policy::time::sleep;
use policy::{ErrorKind, EventLoop, EventLoopPolicy, Guest};

use rustix::event::{PollFd, PollFlags, poll};

use guest_support::{Host, LONG, processor_time, with_fork};

type Policy = Arc<dyn EventLoopPolicy>;

fn policy(name: &str) -> Policy {
    policy::from_name(name).unwrap()
}

fn guest(policy: Policy) -> (Arc<Host>, Guest) {
    let host = Arc::<Host>::default();
    let told = host.clone();
    let guest = Guest::new(policy, move || told.tell()).unwrap();
    (host, guest)
}

/// Runs a task of the guest to its end, by turns alone.
fn ends<T>(host: &Host, guest: &mut Guest, mut task: JoinHandle<T>) -> T {
    host.run(guest, LONG, || task.is_finished());
    let polled = futures_lite::future::block_on(poll_fn(|cx| {
        Poll::Ready(std::pin::Pin::new(&mut task).poll(cx))
    }));
    match polled {
        Poll::Ready(ended) => ended.unwrap(),
        Poll::Pending => panic!("not finished after {LONG:?}"),
    }
}

async fn echoes() {
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
    assert_eq!(byte, [b'x']);
}

fn sockets_work_in_a_guest(name: &str) {
    let (host, mut guest) = guest(policy(name));
    for _ in 0..20 {
        let task = guest.spawn(echoes());
        ends(&host, &mut guest, task);
    }
    guest.close().unwrap();
}

fn a_descriptor_of_an_operation_wakes_the_host(name: &str) {
    use policy::proactor::Resource;
    let (host, mut guest) = guest(policy(name));
    if guest.get_loop().proactor().is_err() {
        return;
    }
    let task = guest.spawn(async {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let proactor = policy::get_running_loop().unwrap().proactor().unwrap();
        let (ours, theirs) = (Resource::from(ours), Resource::from(theirs));
        let writer = proactor.clone();
        let later = policy::spawn(async move {
            sleep(Duration::from_millis(5)).await;
            writer.write(&theirs, b"x".to_vec()).await.0.unwrap()
        });
        let (read, buffer) = proactor.read(&ours, Vec::with_capacity(8)).await;
        assert_eq!((read.unwrap(), buffer), (1, b"x".to_vec()));
        later.await.unwrap()
    });
    assert_eq!(ends(&host, &mut guest, task), 1);
}

fn children_work_in_a_guest(name: &str) {
    let (host, mut guest) = guest(policy(name));
    let task =
        guest.spawn(async { Command::shell("sleep 0.02; echo done").output().await.unwrap() });
    assert_eq!(ends(&host, &mut guest, task).stdout, b"done\n");
}

fn timers_and_callbacks_work_in_a_guest(name: &str) {
    let (host, mut guest) = guest(policy(name));
    let called = Arc::new(AtomicBool::new(false));
    let calls = called.clone();
    let begun = Instant::now();
    guest.get_loop().call_later(Duration::from_millis(10), move || calls.store(true, SeqCst));
    let task = guest.spawn(sleep(Duration::from_millis(30)));
    ends(&host, &mut guest, task);
    assert!(called.load(SeqCst) && begun.elapsed() >= Duration::from_millis(30));
}

fn a_sleep_that_another_thread_waits_for_ends_in_a_guest(name: &str) {
    let (host, mut guest) = guest(policy(name));
    assert!(guest.turn().unwrap().is_idle());
    let (event_loop, ended) = (guest.get_loop().clone(), Arc::new(AtomicBool::new(false)));
    let (told, over) = (host.clone(), ended.clone());
    let waits = thread::spawn(move || {
        let slept = event_loop.block_on(sleep(Duration::from_millis(20)));
        over.store(true, SeqCst);
        told.tell();
        slept
    });
    host.run(&mut guest, LONG, || ended.load(SeqCst));
    waits.join().unwrap().unwrap();
    let here = guest.get_loop().block_on(async {}).unwrap_err();
    assert_eq!(here.kind(), ErrorKind::NoRunningLoop, "the host would wait for itself");
}

fn blocking_jobs_work_in_a_guest(name: &str) {
    let (host, mut guest) = guest(policy(name));
    let task = guest.spawn(async {
        let job = || {
            thread::sleep(Duration::from_millis(5));
            6 * 7
        };
        policy::spawn_blocking(job).await.unwrap()
    });
    assert_eq!(ends(&host, &mut guest, task), 42);
}

fn signals_and_ctrl_c_work_in_a_guest(name: &str) {
    // For the whole process: a signal of one loop's test must not end it before another's
    // listens.
    static LISTENS: OnceLock<()> = OnceLock::new();
    LISTENS.get_or_init(|| {
        thread::spawn(|| policy::run(async { while ctrl_c().await.is_ok() {} }));
    });
    let (host, mut guest) = guest(policy(name));
    for kind in ["USR1", "INT"] {
        let task = guest.spawn(async move {
            let mut user = signal(SignalKind::user_defined1()).unwrap();
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            let kill = format!("kill -{kind} {}", std::process::id());
            assert!(Command::shell(kill).status().await.unwrap().success());
            match kind {
                "INT" => interrupt.recv().await.unwrap(),
                _ => user.recv().await.unwrap(),
            }
        });
        ends(&host, &mut guest, task);
    }
}

fn an_idle_guest_uses_no_processor_time(name: &str) {
    // In a process of its own: the other tests use some.
    let test = format!("{}::an_idle_guest_uses_no_processor_time", module(name));
    if std::env::var_os("GUEST_IDLE").is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", &test, "--nocapture"]).env("GUEST_IDLE", "1");
        assert!(child.status().unwrap().success());
        return;
    }
    let (host, mut guest) = guest(policy(name));
    let _waits = guest.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.accept().await.unwrap();
    });
    let never = guest.spawn(sleep(Duration::from_secs(3600)));
    // A few turns, until the listener waits.
    host.run(&mut guest, Duration::from_millis(300), || never.is_finished());
    let (turns, used) = (host.turns.load(SeqCst), processor_time());
    host.run(&mut guest, Duration::from_secs(1), || never.is_finished());
    let (turns, used) = (host.turns.load(SeqCst) - turns, processor_time() - used);
    assert!(turns <= 2, "{turns} turns in a second");
    assert!(used <= Duration::from_millis(20), "{used:?} of processor time in a second");
}

fn a_turn_runs_what_was_ready_when_it_began_and_does_not_wait(name: &str) {
    let (_host, mut guest) = guest(policy(name));
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

fn the_host_is_told_once_between_two_turns_and_its_panic_harms_nobody(name: &str) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut guest = Guest::new(policy(name), move || {
        count.fetch_add(1, SeqCst);
        panic!("a host's own");
    })
    .unwrap();
    let tasks: Vec<_> = (0..10).map(|n| guest.spawn(async move { n })).collect();
    assert_eq!(calls.load(SeqCst), 1);
    while !guest.turn().unwrap().is_idle() {}
    assert!(tasks.iter().all(JoinHandle::is_finished));
    drop(guest.spawn(async {}));
    assert_eq!(calls.load(SeqCst), 2);
}

fn a_host_may_make_a_turn_where_it_is_told(name: &str) {
    // It has the loop from where `wake` finds it: the guest stays on its thread.
    let home = Arc::new(Mutex::new(None::<Arc<dyn EventLoop>>));
    let turns = home.clone();
    let guest = Guest::new(policy(name), move || {
        let event_loop = turns.lock().unwrap().clone();
        if let Some(event_loop) = event_loop {
            event_loop.run_once().unwrap();
        }
    })
    .unwrap();
    *home.lock().unwrap() = Some(guest.get_loop().clone());
    let task = guest.spawn(async { 6 * 7 });
    assert!(task.is_finished());
    // From inside of a turn nobody is told: the turn is under way.
    let inner = guest.spawn(async { policy::spawn(async {}).await.unwrap() });
    guest.get_loop().run_until_complete(inner).unwrap().unwrap();
    home.lock().unwrap().take();
    guest.close().unwrap();
}

fn a_turn_inside_of_a_run_is_refused(name: &str) {
    let (_host, guest) = guest(policy(name));
    let guest = Mutex::new(guest);
    policy::run(async {
        let refused = guest.lock().unwrap().turn().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::OtherLoopRunning);
    });
}

fn a_turn_inside_of_a_turn_is_refused(name: &str) {
    let (host, mut guest) = guest(policy(name));
    let event_loop = Arc::downgrade(guest.get_loop());
    let task = guest.spawn(async move { event_loop.upgrade().unwrap().run_once().unwrap_err() });
    assert_eq!(ends(&host, &mut guest, task).kind(), ErrorKind::AlreadyRunning);
}

fn a_guest_that_is_closed_or_dropped_cancels_its_tasks(name: &str) {
    for closes in [true, false] {
        let (_host, mut guest) = guest(policy(name));
        let task = guest.spawn(pending::<()>());
        while !guest.turn().unwrap().is_idle() {}
        if closes {
            guest.close().unwrap()
        } else {
            drop(guest)
        }
        assert!(task.is_finished());
    }
}

fn a_guest_may_be_run_as_a_loop_between_its_turns(name: &str) {
    let (host, mut guest) = guest(policy(name));
    for _ in 0..3 {
        let task = guest.spawn(echoes());
        ends(&host, &mut guest, task);
        guest.get_loop().run_until_complete(echoes()).unwrap();
    }
}

fn a_host_that_watches_the_descriptor_needs_no_thread(name: &str) {
    let (host, mut guest) = guest(policy(name));
    if guest.as_fd().is_none() {
        return;
    }
    let task = guest.spawn(echoes());
    host.run_by_descriptor(&mut guest, || task.is_finished());
    assert!(task.is_finished());
}

fn a_host_that_watches_the_descriptor_itself_is_not_woken_for_it(name: &str) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let mut guest = Guest::new(policy(name), move || {
        count.fetch_add(1, SeqCst);
    })
    .unwrap();
    let Some(watched) = guest.as_fd() else { return };
    let watched = watched.try_clone_to_owned().unwrap();
    let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let task = guest.spawn(async move {
        let mut there = policy::net::UnixStream::from_std(there).unwrap();
        let mut byte = [0];
        there.read_exact(&mut byte).await.unwrap();
        byte
    });
    while !guest.turn().unwrap().is_idle() {}
    told.store(0, SeqCst);
    std::io::Write::write_all(&mut here, b"x").unwrap();
    let begun = Instant::now();
    while !task.is_finished() && begun.elapsed() < LONG {
        let mut polled = [PollFd::new(&watched, PollFlags::IN)];
        assert_eq!(poll(&mut polled, None).unwrap(), 1);
        // A thread that watched it, too, would tell the host by now.
        thread::sleep(Duration::from_millis(20));
        while !guest.turn().unwrap().is_idle() {}
    }
    assert!(task.is_finished());
    assert_eq!(told.load(SeqCst), 0, "the host has seen it by itself");
}

fn the_child_of_a_fork_is_told_so(name: &str) {
    let (host, mut guest) = guest(policy(name));
    let task = guest.spawn(echoes());
    ends(&host, &mut guest, task);
    let good = with_fork(|| {
        let refused = guest.turn().is_err_and(|error| error.kind() == ErrorKind::Forked);
        let spawned = guest.get_loop().try_spawn(async {});
        refused && spawned.is_err() && guest.get_loop().close().is_ok()
    });
    assert!(good, "in the child");
    let task = guest.spawn(echoes());
    ends(&host, &mut guest, task);
    let good = with_fork(move || {
        drop(guest);
        true
    });
    assert!(good, "dropped in the child");
}

fn a_task_that_wakes_itself_for_ever_keeps_no_turn(name: &str) {
    let (host, mut guest) = guest(policy(name));
    drop(guest.spawn(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })));
    let task = guest.spawn(echoes());
    ends(&host, &mut guest, task);
    assert!(!guest.turn().unwrap().is_idle());
}

fn module(name: &str) -> String {
    name.replace(':', "_")
}

macro_rules! on_each_loop {
    ($($story:ident),* $(,)?) => {
        on_each_loop! { @ default "default", true; $($story)* }
        on_each_loop! { @ smol_current_thread "smol:current_thread", cfg!(feature = "smol"); $($story)* }
        on_each_loop! { @ tokio_current_thread "tokio:current_thread", cfg!(feature = "tokio"); $($story)* }
        on_each_loop! { @ compio "compio", cfg!(feature = "compio"); $($story)* }
        on_each_loop! { @ compio_polling "compio:polling", cfg!(feature = "compio"); $($story)* }
    };
    (@ $module:ident $name:literal, $there:expr; $($story:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $story() {
                    if $there {
                        super::$story($name);
                    }
                }
            )*
        }
    };
}

on_each_loop! {
    sockets_work_in_a_guest,
    a_descriptor_of_an_operation_wakes_the_host,
    children_work_in_a_guest,
    timers_and_callbacks_work_in_a_guest,
    a_sleep_that_another_thread_waits_for_ends_in_a_guest,
    blocking_jobs_work_in_a_guest,
    signals_and_ctrl_c_work_in_a_guest,
    an_idle_guest_uses_no_processor_time,
    a_turn_runs_what_was_ready_when_it_began_and_does_not_wait,
    the_host_is_told_once_between_two_turns_and_its_panic_harms_nobody,
    a_host_may_make_a_turn_where_it_is_told,
    a_turn_inside_of_a_run_is_refused,
    a_turn_inside_of_a_turn_is_refused,
    a_guest_that_is_closed_or_dropped_cancels_its_tasks,
    a_guest_may_be_run_as_a_loop_between_its_turns,
    a_host_that_watches_the_descriptor_needs_no_thread,
    a_host_that_watches_the_descriptor_itself_is_not_woken_for_it,
    the_child_of_a_fork_is_told_so,
    a_task_that_wakes_itself_for_ever_keeps_no_turn,
}

/// What tokio's own functions wait for wakes the host, too.
#[cfg(feature = "tokio")]
#[test]
fn tokios_own_timers_and_tasks_work_in_a_guest() {
    let (host, mut guest) = guest(policy("tokio:current_thread"));
    let task = guest.spawn(async {
        let theirs = tokio::spawn(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            policy::spawn(async { 7 }).await.unwrap()
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        6 * theirs.await.unwrap()
    });
    assert_eq!(ends(&host, &mut guest, task), 42);
    let (held, gone) = (Arc::new(()), Arc::new(()));
    let lives = Arc::downgrade(&held);
    let task = guest.spawn(async move {
        drop(tokio::spawn(async move {
            let _held = held;
            pending::<()>().await;
        }));
    });
    ends(&host, &mut guest, task);
    drop(gone);
    guest.close().unwrap();
    assert!(lives.upgrade().is_none(), "a task of tokio's outlives its runtime");
}

#[cfg(feature = "tokio")]
#[test]
fn a_loop_with_threads_says_that_it_can_be_no_guest() {
    for name in ["tokio:multi_thread", "smol:multi_thread"] {
        let Ok(policy) = policy::from_name(name) else { continue };
        let error = Guest::new(policy, || ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("TokioPolicy::current_thread()"), "{error}");
    }
}

#[test]
fn a_descriptor_is_of_a_loop_whose_thread_waits_for_it() {
    for (name, has) in [
        ("default", true),
        ("smol:current_thread", false),
        ("tokio:current_thread", false),
        ("compio", true),
    ] {
        let Ok(policy) = policy::from_name(name) else { continue };
        let guest = Guest::new(policy, || ()).unwrap();
        assert_eq!(
            guest.as_fd().map(|fd| fd.as_fd().try_clone_to_owned().unwrap()).is_some(),
            has,
            "{name}"
        );
    }
}
