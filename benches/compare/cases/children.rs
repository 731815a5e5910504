//! Children: starting many, and how the loop fares meanwhile; waiting for many.

mod busy;
mod peers;
mod ticks;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy};

use super::tasks::tokio_runtime;
use crate::harness::{Aim, Case, Measure, Plan, Row, TIME};
use ticks::Ticks;

/// How many are alive at once.
const IN_FLIGHT: u32 = 64;
const TICK: Duration = Duration::from_millis(2);

const WORST_TICK: Measure = ("worst 2 ms tick", "ns");

pub fn rows(plan: &Plan) -> Vec<Row> {
    let started = plan.at_most(9);
    let mut rows = start_many(&started).run(&started);
    rows.extend(busy::rows(plan));
    rows.extend(with_much_memory(plan));
    rows.extend(watch::rows(plan));
    if plan.is_whole() {
        ticks::keep(COUNT);
    }
    rows
}

/// How many are started in one run.
const COUNT: u32 = 1_000;
/// The worst tick, against tokio's.
const CALM: Option<Aim> = Some(Aim::AtMost(1.0 / 15.0));

fn how_many(plan: &Plan) -> u32 {
    plan.scale(COUNT).max(IN_FLIGHT)
}

/// 1,000 × `/bin/true`, on a machine that does nothing else.
fn start_many(plan: &Plan) -> Case {
    let count = how_many(plan);
    let at_most = |limit| Some(Aim::AtMost(limit));
    let mut case = Case::new(
        "children",
        format!("{count} × /bin/true, {IN_FLIGHT} in flight"),
        count,
        &[TIME, WORST_TICK],
    )
    .measured("ours", &[], ours(policy_tokio::TokioPolicy::current_thread(), count))
    .measured("tokio::process", &[at_most(0.85), CALM], tokio_process(count))
    .measured("async-process", &[at_most(0.75), None], async_process(count))
    .measured("ours on the default loop", &[], ours(policy::DefaultEventLoopPolicy::new(), count))
    .measured("xargs -P 64", &[at_most(0.60)], peers::xargs(count, IN_FLIGHT));
    if let Some(run) = peers::posix_spawn(count) {
        case = case.measured("posix_spawn in C, 4 threads", &[at_most(0.95)], run);
    }
    for watcher in
        ["ThreadedChildWatcher", "SafeChildWatcher", "FastChildWatcher", "PidfdChildWatcher"]
    {
        if let Some(run) = peers::asyncio(watcher, count, IN_FLIGHT) {
            case = case.measured(format!("asyncio 3.11, {watcher}"), &[at_most(0.70)], run);
        }
    }
    case
}

/// The same from a parent whose memory is large: a start must not copy what maps it.
fn with_much_memory(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(5);
    let count = how_many(plan);
    let bytes = if plan.is_quick { 64 << 20 } else { 4 << 30 };
    let current = policy_tokio::TokioPolicy::current_thread;
    let with = move |mut run: Box<dyn FnMut() -> Vec<f64>>| {
        move || {
            // Written to, so that it is resident.
            let resident = vec![1_u8; bytes];
            let measured = run();
            drop(std::hint::black_box(resident));
            measured
        }
    };
    Case::new("children", format!("{count} × /bin/true from a parent of 4 GiB"), count, &[TIME])
        .measured("ours", &[], with(Box::new(ours(current(), count))))
        .measured("ours from a small parent", &[Some(Aim::AtMost(1.1))], ours(current(), count))
        .measured("tokio::process", &[], with(Box::new(tokio_process(count))))
        .run(plan)
}

/// What one run gives: the time per child, and how late the worst tick was.
fn measured(count: u32, took: Duration, worst: Option<Duration>) -> Vec<f64> {
    let nanos = |time: Duration| time.as_secs_f64() * 1e9;
    vec![nanos(took) / f64::from(count), worst.map_or(f64::NAN, nanos)]
}

/// Measures how late a beat of [`TICK`] is, with whatever `$sleep` is.
macro_rules! beat {
    ($ticks:expr, $sleep:path) => {{
        let ticks = $ticks.clone();
        async move {
            loop {
                let due = Instant::now() + TICK;
                $sleep(TICK).await;
                ticks.came(due);
            }
        }
    }};
}

/// Starts children one after the other until `$left` is used up.
macro_rules! worker {
    ($left:expr, $status:expr) => {
        async move {
            while $left.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok() {
                assert!($status.await.unwrap().success());
            }
        }
    };
}

fn ours(policy: impl EventLoopPolicy, count: u32) -> impl FnMut() -> Vec<f64> {
    let event_loop = policy.new_event_loop().unwrap();
    move || run_ours(&event_loop, count).measured(count)
}

fn run_ours(event_loop: &Arc<dyn EventLoop>, count: u32) -> Arc<Ticks> {
    let (left, ticks) = (Arc::new(AtomicU32::new(count)), Ticks::start());
    event_loop
        .run_until_complete(async {
            let beat = policy::spawn(beat!(ticks, policy::time::sleep));
            let mut set = policy::task::JoinSet::new();
            for _ in 0..IN_FLIGHT {
                let left = left.clone();
                set.spawn(worker!(left, async {
                    let none: [&str; 0] = [];
                    policy::create_subprocess_exec("/bin/true", none).await?.wait().await
                }));
            }
            while let Some(result) = set.join_next().await {
                result.unwrap();
            }
            beat.abort();
        })
        .unwrap();
    ticks
}

fn tokio_process(count: u32) -> impl FnMut() -> Vec<f64> {
    let runtime = tokio_runtime(None);
    move || run_tokio(&runtime, count).measured(count)
}

fn run_tokio(runtime: &tokio::runtime::Runtime, count: u32) -> Arc<Ticks> {
    let (left, ticks) = (Arc::new(AtomicU32::new(count)), Ticks::start());
    runtime.block_on(async {
        let beat = tokio::spawn(beat!(ticks, tokio::time::sleep));
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let left = left.clone();
            set.spawn(worker!(left, tokio::process::Command::new("/bin/true").status()));
        }
        while let Some(result) = set.join_next().await {
            result.unwrap();
        }
        beat.abort();
    });
    ticks
}

fn async_process(count: u32) -> impl FnMut() -> Vec<f64> {
    async fn sleep(duration: Duration) {
        async_io::Timer::after(duration).await;
    }
    move || {
        let executor = async_executor::Executor::new();
        let (left, ticks) = (Arc::new(AtomicU32::new(count)), Ticks::start());
        async_io::block_on(executor.run(async {
            let _beat = executor.spawn(beat!(ticks, sleep));
            let workers: Vec<_> = (0..IN_FLIGHT)
                .map(|_| {
                    let left = left.clone();
                    executor.spawn(worker!(left, async_process::Command::new("/bin/true").status()))
                })
                .collect();
            for worker in workers {
                worker.await;
            }
        }));
        ticks.measured(count)
    }
}
