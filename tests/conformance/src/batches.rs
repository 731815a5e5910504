//! Batches: in which order a loop runs what is ready, and that each of its turns looks at
//! the reactor, too.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use policy::proactor::Resource;
use policy::task::{JoinHandle, yield_now};
use policy::time::sleep;
use policy::{EventLoop, get_running_loop};

use crate::Make;
use crate::support::{Gate, LONG, Log, in_thread, is_selector, on_loop, run};

/// Tasks and callbacks become ready in one order, whoever gives them: on a loop that runs
/// both on one thread.
///
/// Proves: B82
pub fn tasks_and_callbacks_run_in_one_order(make: Make<'_>) {
    let give = |event_loop: &Arc<dyn EventLoop>, log: &Log, from: usize| {
        for n in from..from + 10 {
            let log = log.clone();
            match n % 2 {
                0 => drop(event_loop.spawn(async move { log.add(n.to_string()) })),
                _ => drop(event_loop.call_soon(move || log.add(n.to_string()))),
            }
        }
    };
    on_loop(make, |event_loop| {
        if event_loop.is_self_driving() {
            // Its threads have no order.
            return;
        }
        let (log, all) = (Log::default(), Gate::default());
        give(event_loop, &log, 0);
        let (inner, logs) = (event_loop.clone(), log.clone());
        event_loop.call_soon(move || give(&inner, &logs, 10));
        let (inner, logs, opener) = (event_loop.clone(), log.clone(), all.clone());
        drop(event_loop.spawn(async move {
            give(&inner, &logs, 20);
            inner.call_soon(move || opener.open());
        }));
        event_loop.run_until_complete(all.wait()).unwrap();
        assert_eq!(log.take(), (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
    });
}

/// A turn runs what was ready when it began: what comes meanwhile, a task, a callback or
/// a wake-up, waits for the next.
///
/// Proves: B82, asyncio's `_run_once`
pub fn a_turn_runs_what_was_ready_when_it_began(make: Make<'_>) {
    on_loop(make, |event_loop| {
        if event_loop.is_self_driving() {
            return;
        }
        let log = Log::default();
        for name in ["a", "b"] {
            let (inner, log) = (event_loop.clone(), log.clone());
            drop(event_loop.spawn(async move {
                for turn in 1.. {
                    log.add(format!("{name}{turn}"));
                    let (task, call) = (log.clone(), log.clone());
                    inner.call_soon(move || call.add(format!("call {name}{turn}")));
                    drop(inner.spawn(async move { task.add(format!("task {name}{turn}")) }));
                    yield_now().await;
                }
            }));
        }
        // Each of these runs is one turn.
        for turn in 1..=20 {
            event_loop.stop();
            event_loop.run_forever().unwrap();
            let before = |name: &str| match turn {
                1 => Vec::new(),
                _ => ["call", "task"].map(|what| format!("{what} {name}{}", turn - 1)).into(),
            };
            let expected =
                [before("a"), vec![format!("a{turn}")], before("b"), vec![format!("b{turn}")]];
            assert_eq!(log.take(), expected.concat());
        }
    });
}

/// Runs that end at once, one after another, let what waits come to its end: a sleep, a
/// packet, a child, a blocking job.
///
/// Proves: asyncio's `_run_once`, which asks its selector in each turn
pub fn short_runs_starve_nothing(make: Make<'_>) {
    let runs: [fn(&Arc<dyn EventLoop>); 3] = [
        |event_loop| event_loop.run_until_complete(yield_now()).unwrap(),
        |event_loop| event_loop.run_until_complete(async {}).unwrap(),
        |event_loop| {
            event_loop.stop();
            event_loop.run_forever().unwrap();
        },
    ];
    for short_run in runs {
        for (what, starts) in WAITS {
            // On a loop of its own: what one wait asks the reactor for serves the others, too.
            on_loop(make, |event_loop| {
                let Some(task) = starts(event_loop) else { return };
                let began = Instant::now();
                while !task.is_finished() {
                    assert!(began.elapsed() < LONG, "starved: {what}");
                    short_run(event_loop);
                    thread::sleep(Duration::from_millis(1));
                }
                event_loop.run_until_complete(task).unwrap().expect(what);
            });
        }
    }
}

/// Starts what ends by itself, or nothing where the loop can't.
type Starts = fn(&Arc<dyn EventLoop>) -> Option<JoinHandle<()>>;

const WAITS: [(&str, Starts); 5] = [
    ("a sleep", |event_loop| Some(event_loop.spawn(sleep(Duration::from_millis(2))))),
    ("a job", |event_loop| {
        Some(event_loop.spawn_blocking(|| thread::sleep(Duration::from_millis(2))))
    }),
    ("a packet", |event_loop| is_selector(event_loop).then(|| event_loop.spawn(a_packet()))),
    ("an operation", |event_loop| {
        event_loop.proactor().is_ok().then(|| event_loop.spawn(an_operation(event_loop.clone())))
    }),
    #[cfg(unix)]
    ("a child", |event_loop| is_selector(event_loop).then(|| event_loop.spawn(a_child()))),
    #[cfg(not(unix))]
    ("no child", |_| None),
];

async fn a_packet() {
    let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (to, sender) = (socket.local_addr().unwrap(), std::net::UdpSocket::bind("127.0.0.1:0"));
    let sends = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2));
        sender.unwrap().send_to(b"late", to).unwrap()
    });
    let mut buffer = [0; 8];
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), 4);
    assert_eq!(sends.join().unwrap(), 4);
}

async fn an_operation(event_loop: Arc<dyn EventLoop>) {
    let (sender, receiver) = in_thread(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (sender, listener.accept().unwrap().0)
    });
    let sends = thread::spawn(move || {
        thread::sleep(Duration::from_millis(2));
        (&sender).write_all(b"late").unwrap();
        sender
    });
    let receiver = Resource::from(receiver);
    let (read, buffer) = event_loop.proactor().unwrap().read(&receiver, vec![0; 8]).await;
    assert_eq!((read.unwrap(), &*buffer), (4, &b"late"[..]));
    drop(sends.join().unwrap());
}

#[cfg(unix)]
async fn a_child() {
    let status = policy::process::Command::new("true").status().await.unwrap();
    assert!(status.success());
}

/// A main future that computes keeps no task waiting, where the loop has threads: not one
/// that is new, and not one that is woken by a timer.
///
/// Proves: 'an executor's threads run its tasks'
pub fn a_main_that_computes_stops_nobody(make: Make<'_>) {
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        if !event_loop.is_self_driving() {
            // One thread does one thing.
            return;
        }
        for _ in 0..100 {
            let (woken, new) = (Gate::default(), Gate::default());
            let (opens_woken, opens_new) = (woken.clone(), new.clone());
            drop(policy::spawn(async move {
                opens_new.open();
                sleep(Duration::from_micros(100)).await;
                drop(policy::spawn(async move { opens_woken.open() }));
            }));
            // Blocks the thread that drives, as a long computation does.
            new.wait_blocking();
            woken.wait_blocking();
        }
    });
}
