//! What children cost through the layer, against the peers that start them too.
//!
//! `cargo bench --bench children --all-features`. All programs run in turn, round by
//! round, so that what the machine does meanwhile it does to all; ratios are medians
//! of pairs. `-- --quick` only runs every case.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails panics"
)]

mod support;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use policy::EventLoopPolicy;

/// Children per round, and how many are alive at once.
const CHILDREN: u32 = 1_000;
const IN_FLIGHT: u32 = 64;
const TICK: Duration = Duration::from_millis(2);
const ROUNDS: usize = 9;

fn main() {
    let quick = support::rounds().0 == 0;
    if cfg!(debug_assertions) && !quick {
        println!("this is a debug build, whose figures mean nothing; run `cargo bench`");
        return;
    }
    let (rounds, children) = if quick { (1, 64) } else { (ROUNDS, CHILDREN) };
    allow_descriptors();
    throughput(rounds, children);
    let sizes: &[usize] = if quick { &[50] } else { &[100, 1_000, 8_000] };
    exits(sizes);
    per_child(if quick { 50 } else { 1_000 });
}

/// A pidfd each for 8,000 children, where the hard limit allows it.
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// One way to run `/bin/true` many times. Returns the wall time, and how late the
/// worst tick of a timer on the same loop was, where there is such a loop.
type Run = Box<dyn FnMut(u32) -> (Duration, Option<Duration>)>;

fn throughput(rounds: usize, children: u32) {
    let mut programs: Vec<(String, Run)> = vec![
        ("policy, default loop".into(), ours(policy::DefaultEventLoopPolicy::new())),
        ("policy, tokio current_thread".into(), ours(policy::TokioPolicy::current_thread())),
        ("tokio::process, current_thread".into(), tokio_process()),
        ("async-process, smol".into(), async_process_on_smol()),
        ("xargs -P 64".into(), xargs()),
    ];
    for watcher in
        ["ThreadedChildWatcher", "SafeChildWatcher", "FastChildWatcher", "PidfdChildWatcher"]
    {
        if let Some(run) = asyncio(watcher) {
            programs.push((format!("asyncio 3.11, {watcher}"), run));
        }
    }
    let mut samples = vec![Vec::new(); programs.len()];
    for (_, run) in &mut programs {
        run(children.min(100)); // warm-up
    }
    for _ in 0..rounds {
        for (samples, (_, run)) in samples.iter_mut().zip(&mut programs) {
            samples.push(run(children));
        }
    }
    let peer = |name: &str| programs.iter().position(|(n, _)| n.starts_with(name)).unwrap();
    let (tokio, smol, xargs) = (peer("tokio::"), peer("async-process"), peer("xargs"));
    println!(
        "\n{children} × /bin/true, {IN_FLIGHT} in flight, median of {rounds} alternated rounds"
    );
    println!(
        "{:<36} {:>9} {:>8} {:>8} {:>8} {:>11}",
        "program", "per child", "/tokio", "/a-proc", "/xargs", "worst tick"
    );
    for (at, (name, _)) in programs.iter().enumerate() {
        let ratio = |other: usize| {
            median(
                samples[at]
                    .iter()
                    .zip(&samples[other])
                    .map(|(a, b)| a.0.as_secs_f64() / b.0.as_secs_f64()),
            )
        };
        let tick = match samples[at][0].1 {
            Some(_) => {
                let worst = median(samples[at].iter().map(|s| s.1.unwrap().as_secs_f64()));
                format!("{:.1} ms", worst * 1e3)
            }
            None => "-".into(),
        };
        println!(
            "{name:<36} {:>6.0} µs {:>8.2} {:>8.2} {:>8.2} {tick:>11}",
            median(samples[at].iter().map(|s| s.0.as_secs_f64())) * 1e6 / f64::from(children),
            ratio(tokio),
            ratio(smol),
            ratio(xargs),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

fn ours(policy: impl EventLoopPolicy) -> Run {
    let event_loop = policy.new_event_loop().unwrap();
    Box::new(move |children| {
        let (left, worst) = (Arc::new(AtomicU32::new(children)), Arc::new(AtomicU64::new(0)));
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
        (began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    })
}

fn tokio_process() -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Box::new(move |children| {
        let (left, worst) = (Arc::new(AtomicU32::new(children)), Arc::new(AtomicU64::new(0)));
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
        (began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    })
}

fn async_process_on_smol() -> Run {
    async fn sleep(duration: Duration) {
        async_io::Timer::after(duration).await;
    }
    Box::new(move |children| {
        let executor = async_executor::Executor::new();
        let (left, worst) = (Arc::new(AtomicU32::new(children)), Arc::new(AtomicU64::new(0)));
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
        (began.elapsed(), Some(Duration::from_nanos(worst.load(Relaxed))))
    })
}

fn xargs() -> Run {
    Box::new(|children| {
        let began = Instant::now();
        let script = format!("seq {children} | xargs -P {IN_FLIGHT} -n 1 /bin/true");
        assert!(Command::new("sh").arg("-c").arg(script).status().unwrap().success());
        (began.elapsed(), None)
    })
}

/// CPython's asyncio, where one is installed: its own clock, so that the start of
/// the interpreter does not count.
fn asyncio(watcher: &'static str) -> Option<Run> {
    const SCRIPT: &str = r#"
import asyncio, sys, time
children, in_flight, watcher = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
worst = 0.0
async def beat():
    global worst
    while True:
        due = time.monotonic() + 0.002
        await asyncio.sleep(0.002)
        worst = max(worst, time.monotonic() - due)
async def worker(left):
    while left:
        left.pop()
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert await process.wait() == 0
async def main():
    ticks = asyncio.ensure_future(beat())
    left = list(range(children))
    began = time.monotonic()
    await asyncio.gather(*(worker(left) for _ in range(in_flight)))
    print(time.monotonic() - began, worst)
    ticks.cancel()
asyncio.set_child_watcher(getattr(asyncio, watcher)())
asyncio.run(main())
"#;
    let python = ["python3.11", "python3"].into_iter().find(|python| {
        let version = Command::new(python)
            .args(["-c", "import sys; sys.exit(sys.version_info[:2] != (3, 11))"])
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    })?;
    Some(Box::new(move |children| {
        let output = Command::new(python)
            .args(["-c", SCRIPT, &children.to_string(), &IN_FLIGHT.to_string(), watcher])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut seconds = text.split_whitespace().map(|n| n.parse::<f64>().unwrap());
        let wall = Duration::from_secs_f64(seconds.next().expect("asyncio printed its time"));
        (wall, seconds.next().map(|s| Duration::from_secs_f64(s.max(0.0))))
    }))
}

type Children = Vec<policy::process::Child>;

/// Starts children that live until they are killed.
fn sleepers(n: usize) -> Children {
    (0..n)
        .map(|_| {
            let mut command = policy::process::Command::new("/bin/sleep");
            command.arg("1000").kill_on_drop(true).spawn().unwrap()
        })
        .collect()
}

/// CPU per exit while N children live, in one burst and one by one.
fn exits(sizes: &[usize]) {
    println!("\nCPU of this process per exit, with N children alive");
    println!("{:<10} {:>8} {:>14} {:>14}", "watcher", "N", "one burst", "one by one");
    let watchers: Vec<(&str, Arc<dyn policy::ChildWatcher>)> = vec![
        ("pidfd", Arc::new(policy::PidfdChildWatcher::new())),
        ("multi-loop", Arc::new(policy::MultiLoopChildWatcher::new())),
    ];
    for (name, watcher) in watchers {
        policy::set_child_watcher(watcher).unwrap();
        for &n in sizes {
            // Started inside the loop; only the exits are measured.
            let cpu = |burst| policy::run(async move { cpu_of_exits(sleepers(n), burst).await });
            let (burst, singly) = (cpu(true) / n as u32, cpu(false) / n.min(1_000) as u32);
            println!("{name:<10} {n:>8} {burst:>11.1?} {singly:>14.1?}");
        }
        policy::set_child_watcher(None).unwrap();
    }
}

async fn cpu_of_exits(children: Children, burst: bool) -> Duration {
    let before = cpu_time();
    if burst {
        for child in &children {
            child.start_kill().unwrap();
        }
        for child in &children {
            child.wait().await.unwrap();
        }
        return cpu_time() - before;
    }
    // The first thousand of N: what one exit costs while the others live.
    for child in children.iter().take(1_000) {
        child.start_kill().unwrap();
        child.wait().await.unwrap();
    }
    cpu_time() - before
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Memory and threads per watched child.
fn per_child(n: usize) {
    policy::run(async {
        let first = sleepers(1);
        let _ = first[0].try_wait();
        let (memory, threads) = footprint();
        let mut children = sleepers(n);
        let mut waits = policy::task::JoinSet::new();
        for child in children.drain(..) {
            waits.spawn(async move { child.wait().await.is_ok() });
        }
        policy::task::yield_now().await;
        policy::time::sleep(Duration::from_millis(50)).await;
        let (memory_then, threads_then) = footprint();
        println!(
            "\n{n} watched children: {:.2} KiB and {:.3} threads each",
            (memory_then.saturating_sub(memory)) as f64 / n as f64,
            (threads_then - threads) as f64 / n as f64
        );
    });
}

/// Resident KiB, and threads, of this process.
fn footprint() -> (u64, i64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("Threads:") as i64)
}
