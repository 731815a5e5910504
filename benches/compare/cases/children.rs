//! Children: starting many, and how the loop fares meanwhile; waiting for many.

mod peers;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use policy::EventLoopPolicy;

use super::tasks::tokio_runtime;
use crate::harness::{Aim, Case, Measure, Plan, Row, TIME};

/// How many are alive at once.
const IN_FLIGHT: u32 = 64;
const TICK: Duration = Duration::from_millis(2);

const WORST_TICK: Measure = ("worst 2 ms tick", "ns");

pub fn rows(plan: &Plan) -> Vec<Row> {
    let started = plan.at_most(9);
    let mut rows = start_many(&started).run(&started);
    rows.extend(watch::rows(plan));
    rows
}

/// 1,000 × `/bin/true`. The aims are for the awaited spawn: against the better peer.
fn start_many(plan: &Plan) -> Case {
    let count = plan.scale(1_000).max(IN_FLIGHT);
    let (quicker, calmer) = (Some(Aim::AtMost(0.75)), Some(Aim::AtMost(1.0 / 12.0)));
    let mut case = Case::new(
        "children",
        format!("{count} × /bin/true, {IN_FLIGHT} in flight"),
        count,
        &[TIME, WORST_TICK],
    )
    .measured("ours", &[], ours(policy_tokio::TokioPolicy::current_thread(), count))
    .measured("tokio::process", &[quicker, calmer], tokio_process(count))
    .measured("async-process", &[quicker, None], async_process(count))
    .measured("ours on the default loop", &[], ours(policy::DefaultEventLoopPolicy::new(), count))
    .measured("xargs -P 64", &[Some(Aim::AtMost(0.85))], peers::xargs(count, IN_FLIGHT));
    if let Some(run) = peers::posix_spawn(count) {
        case = case.measured("posix_spawn in C, 4 threads", &[Some(Aim::AtMost(1.2))], run);
    }
    for watcher in
        ["ThreadedChildWatcher", "SafeChildWatcher", "FastChildWatcher", "PidfdChildWatcher"]
    {
        if let Some(run) = peers::asyncio(watcher, count, IN_FLIGHT) {
            case = case.measured(format!("asyncio 3.11, {watcher}"), &[], run);
        }
    }
    case
}

/// What one run gives: the time per child, and how late the worst tick was.
fn measured(count: u32, took: Duration, worst: Option<Duration>) -> Vec<f64> {
    let nanos = |time: Duration| time.as_secs_f64() * 1e9;
    vec![nanos(took) / f64::from(count), worst.map_or(f64::NAN, nanos)]
}

/// Measures how late a beat of [`TICK`] is, with whatever `$sleep` is.
macro_rules! beat {
    ($worst:expr, $sleep:path) => {{
        let worst = $worst.clone();
        async move {
            loop {
                let due = Instant::now() + TICK;
                $sleep(TICK).await;
                let late = Instant::now().saturating_duration_since(due);
                worst.fetch_max(late.as_nanos() as u64, Relaxed);
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
    move || {
        let (left, worst) = (Arc::new(AtomicU32::new(count)), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        event_loop
            .run_until_complete(async {
                let ticks = policy::spawn(beat!(worst, policy::time::sleep));
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
                ticks.abort();
            })
            .unwrap();
        measured(count, began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    }
}

fn tokio_process(count: u32) -> impl FnMut() -> Vec<f64> {
    let runtime = tokio_runtime(None);
    move || {
        let (left, worst) = (Arc::new(AtomicU32::new(count)), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        runtime.block_on(async {
            let ticks = tokio::spawn(beat!(worst, tokio::time::sleep));
            let mut set = tokio::task::JoinSet::new();
            for _ in 0..IN_FLIGHT {
                let left = left.clone();
                set.spawn(worker!(left, tokio::process::Command::new("/bin/true").status()));
            }
            while let Some(result) = set.join_next().await {
                result.unwrap();
            }
            ticks.abort();
        });
        measured(count, began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    }
}

fn async_process(count: u32) -> impl FnMut() -> Vec<f64> {
    async fn sleep(duration: Duration) {
        async_io::Timer::after(duration).await;
    }
    move || {
        let executor = async_executor::Executor::new();
        let (left, worst) = (Arc::new(AtomicU32::new(count)), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        async_io::block_on(executor.run(async {
            let _ticks = executor.spawn(beat!(worst, sleep));
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
        measured(count, began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    }
}
