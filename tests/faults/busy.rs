//! Busy: what is always ready, and who must have a turn beside it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use policy::net::{UdpSocket, UnixDatagram, UnixStream};
use policy::process::{Command, Stdio};
use policy::time::{interval, sleep, timeout};
use policy::{ErrorKind, Runner};

use crate::inside::Place;
use crate::table::{AUTO, DEFAULT_LOOP, LOOPS, Outcome, Row, Skip};

// tokio, by which they are measured, leaves a socket in the process.
pub const ROWS: &[Row] = &[
    Row::new(
        "F1",
        "what is always ready, beside a ticker, a timeout, an abort and the end of a run",
        &[(LOOPS, AUTO)],
        f1,
    )
    .all_loops(),
    Row::new("F1 Ctrl-C", "the same, beside the first Ctrl-C", &[(LOOPS, AUTO)], f1_interrupt)
        .all_loops(),
    Row::new(
        "F1 adopted",
        "the same, in a plain tokio runtime: in its own tasks, and in ours",
        &[(DEFAULT_LOOP, AUTO)],
        f1_adopted,
    )
    .all_loops(),
];

type Never = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes what is always ready.
type Busy = fn() -> Never;

const KINDS: &[(&str, Busy)] = &[
    ("a stream", || Box::pin(stream())),
    ("UDP", || Box::pin(udp())),
    ("a datagram", || Box::pin(datagram())),
    ("a pipe", || Box::pin(pipe())),
    ("a duplex", || Box::pin(duplex())),
    ("a sleep of nothing", || Box::pin(sleeps())),
    ("an interval", || Box::pin(ticks())),
];

async fn stream() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    loop {
        ours.write_all(b"x").await.unwrap();
        theirs.read_exact(&mut [0]).await.unwrap();
    }
}

async fn udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    loop {
        socket.send_to(b"x", address).await.unwrap();
        socket.recv_from(&mut [0; 8]).await.unwrap();
    }
}

async fn datagram() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    loop {
        ours.send(b"x").await.unwrap();
        theirs.recv(&mut [0; 8]).await.unwrap();
    }
}

async fn pipe() {
    let mut command = Command::new("yes");
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    loop {
        stdout.read_exact(&mut [0; 2]).await.unwrap();
    }
}

async fn duplex() {
    let (mut ours, mut theirs) = policy::io::duplex(64);
    loop {
        ours.write_all(b"x").await.unwrap();
        theirs.read_exact(&mut [0]).await.unwrap();
    }
}

async fn sleeps() {
    loop {
        sleep(Duration::ZERO).await;
    }
}

async fn ticks() {
    let mut beat = interval(Duration::from_nanos(1));
    loop {
        beat.tick().await;
    }
}

const TICKS: u32 = 20;

/// How long so many ticks take beside what tokio's own budget makes yield.
fn calibrate() -> Duration {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let native = runtime.block_on(async {
        let busy = tokio::spawn(async {
            let (mut ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
            loop {
                ours.write_all(b"x").await.unwrap();
                theirs.read_exact(&mut [0]).await.unwrap();
            }
        });
        let begun = Instant::now();
        for _ in 0..TICKS {
            tokio::time::sleep(millis(1)).await;
        }
        busy.abort();
        begun.elapsed()
    });
    println!("{TICKS} ticks of tokio's own take {native:?}");
    native
}

/// What others may wait for.
struct Limits {
    ticks: Duration,
    rest: Duration,
}

impl Limits {
    fn new() -> Self {
        let native = calibrate();
        // A machine on which tokio is that late is slow by as much.
        let slow = (native / (2 * TICKS)).as_millis().max(1) as u32;
        Self { ticks: 3 * native.max(millis(10) * TICKS), rest: slow * millis(100) }
    }
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Checks the best of five: others use this machine, too.
fn in_time(limit: Duration, kind: &str, what: &str, mut measure: impl FnMut() -> Duration) {
    let best = (0..5).map(|_| measure()).find(|took| *took <= limit);
    assert!(best.is_some(), "beside {kind} {what} takes more than {limit:?}");
}

/// The same, in a task.
async fn in_time_here(
    limit: Duration,
    kind: &str,
    what: &str,
    mut measure: impl AsyncFnMut() -> Duration,
) {
    for _ in 0..5 {
        if measure().await <= limit {
            return;
        }
    }
    panic!("beside {kind} {what} takes more than {limit:?}");
}

/// A timeout, a ticker and an abort beside what is always ready.
async fn beside(kind: &str, busy: Busy, limits: &Limits) {
    in_time_here(limits.ticks, kind, "20 ticks of 1 ms", async || {
        let task = policy::spawn(busy());
        let begun = Instant::now();
        for _ in 0..TICKS {
            sleep(millis(1)).await;
        }
        let ticked = begun.elapsed();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        ticked
    })
    .await;
    in_time_here(limits.rest, kind, "a timeout or an abort", async || {
        let begun = Instant::now();
        assert!(timeout(millis(10), busy()).await.is_err());
        let fired = begun.elapsed();
        let task = policy::spawn(busy());
        sleep(millis(1)).await;
        let begun = Instant::now();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        fired.max(begun.elapsed())
    })
    .await;
}

fn f1(place: &Place) -> Outcome {
    let limits = Limits::new();
    for &(kind, busy) in KINDS {
        place.run(beside(kind, busy, &limits));
        in_time(limits.rest, kind, "the end of the run", || {
            let mut begun = Instant::now();
            place.run(async {
                drop(policy::spawn(busy()));
                sleep(millis(5)).await;
                begun = Instant::now();
            });
            begun.elapsed()
        });
    }
    Ok(())
}

fn f1_interrupt(_: &Place) -> Outcome {
    let limits = Limits::new();
    for &(kind, busy) in KINDS {
        in_time(limits.rest, kind, "Ctrl-C", || {
            let mut runner = Runner::new();
            let sender = std::thread::spawn(|| {
                std::thread::sleep(millis(50));
                let begun = Instant::now();
                unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
                begun
            });
            // Both: main and a task that is detached.
            let ended = runner.run(async {
                drop(policy::spawn(busy()));
                busy().await;
            });
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::Interrupted);
            runner.close().unwrap();
            sender.join().unwrap().elapsed()
        });
    }
    Ok(())
}

fn f1_adopted(_: &Place) -> Outcome {
    if !cfg!(feature = "tokio") {
        return Err(Skip::because("the feature `tokio` is off: nothing is adopted"));
    }
    let limits = Limits::new();
    for &(kind, busy) in KINDS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Of `block_on`, no poll of ours; and of a task of tokio's.
            beside(kind, busy, &limits).await;
            in_time_here(limits.ticks, kind, "20 of tokio's own ticks", async || {
                let task = tokio::spawn(busy());
                let begun = Instant::now();
                for _ in 0..TICKS {
                    tokio::time::sleep(millis(1)).await;
                }
                let ticked = begun.elapsed();
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
                ticked
            })
            .await;
        });
    }
    Ok(())
}
