//! Very many tasks, timers and sockets on one loop: each should cost what it costs among
//! few.
//!
//! The memory is what the allocator gave while all of them waited, counted before the time
//! is taken.

use std::future::{Future, pending, poll_fn};
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy};

use crate::allocations::count;
use crate::cases::tasks::tokio_runtime;
use crate::harness::{Aim, Case, Measure, Plan, Row};

const MEASURES: [Measure; 2] = [("time of each", "ns"), ("memory of each", "B")];
const FLAT: [Option<Aim>; 2] = [Some(Aim::AtMost(1.1)); 2];

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(5);
    let (many, some, few) = (plan.scale(1_000_000), plan.scale(100_000), plan.scale(10_000));
    // Others need some, too.
    let sockets = plan.scale(100_000).min(descriptors() * 9 / 10);
    if !plan.is_quick && sockets < 100_000 {
        eprintln!("   {sockets} sockets instead of 100,000: the hard limit of descriptors");
    }
    let few_sockets = plan.scale(1_000).min(sockets);
    macro_rules! case {
        ($what:expr, $many:expr, $less:expr, $ours:ident, $theirs:ident) => {{
            let ours = |count: u32| {
                let event_loop =
                    policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
                move || $ours(&event_loop, count)
            };
            let mut case =
                Case::new("scaling", format!("{} {} on one loop", $many, $what), 0, &MEASURES)
                    .measured("ours", &[], ours($many));
            for less in $less {
                case = case.measured(format!("ours, with {less}"), &FLAT, ours(less));
            }
            case.measured("tokio", &[], move || $theirs($many))
        }};
    }
    let cases = [
        case!("tasks", many, [some, few], our_tasks, tokio_tasks),
        case!("timers", many, [some, few], our_timers, tokio_timers),
        case!("sockets", sockets, [few_sockets], our_sockets, tokio_sockets),
    ];
    cases.into_iter().flat_map(|case| case.run(plan)).collect()
}

fn descriptors() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX / 9)
}

fn per(count: u32, took: Duration, bytes: i64) -> Vec<f64> {
    vec![took.as_secs_f64() * 1e9 / f64::from(count), bytes as f64 / f64::from(count)]
}

/// Tasks that wait are counted; tasks that are woken once and end are timed.
macro_rules! tasks {
    ($count:expr, $spawn:expr, $yield:path) => {{
        let units = $count;
        async move {
            let mut waiting = Vec::with_capacity(units as usize);
            let (_, kept) = count(|| waiting.extend((0..units).map(|_| $spawn(pending::<()>()))));
            for task in waiting {
                task.abort();
                let _ = task.await;
            }
            let mut tasks = Vec::with_capacity(units as usize);
            let began = Instant::now();
            tasks.extend((0..units).map(|_| $spawn(async { $yield().await })));
            for task in tasks {
                task.await.unwrap();
            }
            per(units, began.elapsed(), kept.bytes_kept)
        }
    }};
}

fn our_tasks(event_loop: &Arc<dyn EventLoop>, units: u32) -> Vec<f64> {
    let work = tasks!(units, policy::spawn, policy::task::yield_now);
    event_loop.run_until_complete(work).unwrap()
}

fn tokio_tasks(units: u32) -> Vec<f64> {
    tokio_runtime(None).block_on(tasks!(units, tokio::spawn, tokio::task::yield_now))
}

/// Makes `make`'s futures, each polled once.
async fn wait_for_all<F: Future>(units: u32, make: impl Fn(u32) -> F) -> Vec<Pin<Box<F>>> {
    let mut waiting = Vec::with_capacity(units as usize);
    for n in 0..units {
        let mut future = Box::pin(make(n));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        waiting.push(future);
        // Executors stop polling what never pauses.
        if n % 64 == 63 {
            futures_lite::future::yield_now().await;
        }
    }
    waiting
}

/// The bytes that are kept by what a future leaves.
async fn counted<T>(future: impl Future<Output = T>) -> (T, i64) {
    let mut future = std::pin::pin!(future);
    let mut bytes = 0;
    let result = poll_fn(|cx| {
        let (polled, kept) = count(|| future.as_mut().poll(cx));
        bytes += kept.bytes_kept;
        polled
    })
    .await;
    (result, bytes)
}

/// Timers begin to wait, and are given up.
macro_rules! waiting {
    ($units:expr, $make:expr) => {{
        let units = $units;
        async move {
            let (waiting, bytes) = counted(wait_for_all(units, $make)).await;
            drop(waiting);
            let began = Instant::now();
            drop(wait_for_all(units, $make).await);
            per(units, began.elapsed(), bytes)
        }
    }};
}

fn long(n: u32) -> Duration {
    Duration::from_secs(60 + u64::from(n % 3_600))
}

fn our_timers(event_loop: &Arc<dyn EventLoop>, units: u32) -> Vec<f64> {
    let work = waiting!(units, |n| policy::time::sleep(long(n)));
    event_loop.run_until_complete(work).unwrap()
}

fn tokio_timers(units: u32) -> Vec<f64> {
    tokio_runtime(None).block_on(waiting!(units, |n| tokio::time::sleep(long(n))))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn our_sockets(event_loop: &Arc<dyn EventLoop>, units: u32) -> Vec<f64> {
    let receive = |_| async {
        let socket = policy::net::UdpSocket::from_std(socket()).unwrap();
        socket.recv(&mut [0; 8]).await
    };
    event_loop.run_until_complete(waiting!(units, receive)).unwrap()
}

fn tokio_sockets(units: u32) -> Vec<f64> {
    let receive = |_| async {
        let socket = tokio::net::UdpSocket::from_std(socket()).unwrap();
        socket.recv(&mut [0; 8]).await
    };
    tokio_runtime(None).block_on(waiting!(units, receive))
}
