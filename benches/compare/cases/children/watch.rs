//! Many children that wait to be waited for: what registering and each exit costs.

use std::sync::Arc;
use std::time::Duration;
#[cfg(not(unix))]
use std::time::Instant;

use policy::ChildWatcher;
use policy::process::{Child, Command};

use super::peers;
use crate::cases::tasks::tokio_runtime;
use crate::harness::{Aim, Case, Measure, Plan, Row};

const MEASURES: [Measure; 3] = [
    ("CPU to start and register", "ns"),
    ("CPU per exit, one burst", "ns"),
    ("CPU per exit, one by one", "ns"),
];

/// Of what is aimed at, the start is compared elsewhere; an exit is never dearer than a
/// peer's, and less than tokio's.
const NEVER_BEHIND: [Option<Aim>; 3] = [None, Some(Aim::AtMost(1.0)), Some(Aim::AtMost(1.0))];
const AHEAD: [Option<Aim>; 3] = [None, Some(Aim::AtMost(0.9)), Some(Aim::AtMost(0.9))];
/// SIGCHLD says nothing of who it was.
const BY_SIGNAL: [Option<Aim>; 3] = [None, None, Some(Aim::Other(100_000.0))];
/// An exit costs about the same however many children live: their memory is less and
/// less in the processor's caches.
const FLAT: [Option<Aim>; 3] = [None, Some(Aim::AtMost(1.5)), Some(Aim::AtMost(1.5))];

pub fn rows(plan: &Plan) -> Vec<Row> {
    let sizes: &[u32] = if plan.is_quick { &[50] } else { &[100, 1_000, 8_000] };
    let mut rows = Vec::new();
    for &count in sizes {
        // Thousands of children take seconds to make; CPU time is steadier than wall time.
        let plan = plan.at_most(if count > 1_000 { 3 } else { 7 });
        let runtime = tokio_runtime(None);
        let pidfd = || watched_by(|| Arc::new(policy::PidfdChildWatcher::new()), count);
        let mut case = Case::new("children", format!("{count} live children"), count, &MEASURES)
            .measured("ours, pidfd", &[], pidfd())
            .measured(
                "ours, multi-loop",
                &BY_SIGNAL,
                watched_by(|| Arc::new(policy::MultiLoopChildWatcher::new()), count),
            )
            .measured("tokio::process", &AHEAD, move || runtime.block_on(by_tokio(count)))
            .measured("async-process", &NEVER_BEHIND, move || by_async_process(count));
        // It would take minutes to make more.
        if count <= 1_000 {
            for watcher in ["PidfdChildWatcher", "ThreadedChildWatcher"] {
                if let Some(run) = peers::asyncio_watching(watcher, count) {
                    case = case.measured(format!("asyncio 3.11, {watcher}"), &NEVER_BEHIND, run);
                }
            }
        } else {
            let few = 100;
            let run = watched_by(|| Arc::new(policy::PidfdChildWatcher::new()), few);
            case = case.measured(format!("ours, pidfd, with {few}"), &FLAT, run);
        }
        rows.extend(case.run(&plan));
    }
    rows
}

fn watched_by(watcher: fn() -> Arc<dyn ChildWatcher>, count: u32) -> impl FnMut() -> Vec<f64> {
    move || {
        policy::set_child_watcher(watcher()).unwrap();
        let measured = policy::run(by_ours(count));
        policy::set_child_watcher(None).unwrap();
        measured
    }
}

async fn by_ours(count: u32) -> Vec<f64> {
    let mut clock = CpuClock::start();
    let start = || {
        let mut command = Command::new("/bin/sleep");
        command.arg("1000").kill_on_drop(true).spawn().unwrap()
    };
    let children: Vec<Child> = (0..count).map(|_| start()).collect();
    let started = clock.lap(count);
    let (burst, singly) = children.split_at(children.len() / 2);
    for child in burst {
        child.start_kill().unwrap();
    }
    for child in burst {
        child.wait().await.unwrap();
    }
    let at_once = clock.lap(count / 2);
    let some = singly.len().min(500);
    for child in &singly[..some] {
        child.start_kill().unwrap();
        child.wait().await.unwrap();
    }
    vec![started, at_once, clock.lap(some as u32)]
}

async fn by_tokio(count: u32) -> Vec<f64> {
    let mut clock = CpuClock::start();
    let start = || {
        let mut command = tokio::process::Command::new("/bin/sleep");
        command.arg("1000").kill_on_drop(true).spawn().unwrap()
    };
    let mut children: Vec<tokio::process::Child> = (0..count).map(|_| start()).collect();
    let started = clock.lap(count);
    let half = children.len() / 2;
    let (burst, singly) = children.split_at_mut(half);
    for child in &mut *burst {
        child.start_kill().unwrap();
    }
    for child in burst {
        child.wait().await.unwrap();
    }
    let at_once = clock.lap(count / 2);
    let some = singly.len().min(500);
    for child in &mut singly[..some] {
        child.start_kill().unwrap();
        child.wait().await.unwrap();
    }
    vec![started, at_once, clock.lap(some as u32)]
}

fn by_async_process(count: u32) -> Vec<f64> {
    let executor = async_executor::Executor::new();
    async_io::block_on(executor.run(async {
        let mut clock = CpuClock::start();
        let start = || {
            let mut command = async_process::Command::new("/bin/sleep");
            command.arg("1000").kill_on_drop(true).spawn().unwrap()
        };
        let mut children: Vec<async_process::Child> = (0..count).map(|_| start()).collect();
        let started = clock.lap(count);
        let half = children.len() / 2;
        let (burst, singly) = children.split_at_mut(half);
        for child in &mut *burst {
            child.kill().unwrap();
        }
        for child in burst {
            child.status().await.unwrap();
        }
        let at_once = clock.lap(count / 2);
        let some = singly.len().min(500);
        for child in &mut singly[..some] {
            child.kill().unwrap();
            child.status().await.unwrap();
        }
        vec![started, at_once, clock.lap(some as u32)]
    }))
}

/// The CPU time of this process, its children not included.
struct CpuClock(Duration);

impl CpuClock {
    fn start() -> Self {
        Self(cpu_time())
    }

    /// Nanoseconds per operation since the last lap.
    fn lap(&mut self, operations: u32) -> f64 {
        let now = cpu_time();
        let took = now - std::mem::replace(&mut self.0, now);
        took.as_secs_f64() * 1e9 / f64::from(operations.max(1))
    }
}

fn cpu_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(unix))]
    {
        static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }
}
