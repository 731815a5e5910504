//! More threads, more loops.

mod units;

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy};

use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Plan, Row};

const SAME_SLOPE: Option<Aim> = Some(Aim::AtMost(1.05));

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(15);
    let cases = [workers(plan), smol_workers(plan), loops(plan)].into_iter().flatten();
    let mut rows: Vec<Row> = cases.flat_map(|case| case.run(plan)).collect();
    rows.extend(units::rows(plan));
    rows
}

/// Tasks that spawn tasks, on so many workers.
macro_rules! tree {
    ($tasks:expr, $spawn:expr) => {{
        let tasks = $tasks;
        async move {
            let began = Instant::now();
            let branches: Vec<_> = (0..16)
                .map(|_| {
                    $spawn(async move {
                        for n in 0..tasks / 16 {
                            let _ = $spawn(async move { n }).await;
                        }
                    })
                })
                .collect();
            for branch in branches {
                let _ = branch.await;
            }
            began.elapsed()
        }
    }};
}

fn workers(plan: &Plan) -> Vec<Case> {
    let tasks = plan.scale(16_000);
    [1, 2, 4, 8, 16]
        .into_iter()
        .map(|threads| {
            let event_loop = policy_tokio::TokioPolicy::multi_thread()
                .worker_threads(threads)
                .new_event_loop()
                .unwrap();
            let runtime = tokio_runtime(Some(threads));
            Case::timed("scaling", format!("spawn on tokio, {threads} workers"), tasks)
                .side("ours", None, move || {
                    event_loop.run_until_complete(tree!(tasks, policy::spawn)).unwrap()
                })
                .side("tokio", SAME_SLOPE, move || runtime.block_on(tree!(tasks, tokio::spawn)))
        })
        .collect()
}

fn smol_workers(plan: &Plan) -> Vec<Case> {
    let tasks = plan.scale(16_000);
    [1, 2, 4, 8, 16]
        .into_iter()
        .map(|threads| {
            let event_loop = policy_smol::SmolPolicy::multi_thread()
                .worker_threads(threads)
                .new_event_loop()
                .unwrap();
            let multi = executor(threads);
            Case::timed("scaling", format!("spawn on smol, {threads} workers"), tasks)
                .side("ours", None, move || {
                    event_loop.run_until_complete(tree!(tasks, policy::spawn)).unwrap()
                })
                .side("async-executor", SAME_SLOPE, move || {
                    async_io::block_on(multi.run(tree!(tasks, |f| multi.spawn(f))))
                })
        })
        .collect()
}

/// So many loops in one process, each run for a short while, in turn.
fn loops(plan: &Plan) -> Vec<Case> {
    let counts: &[u32] = if plan.is_quick { &[1, 10] } else { &[1, 10, 100, 1_000] };
    counts
        .iter()
        .map(|&count| {
            let policy = policy_tokio::TokioPolicy::current_thread();
            let ours: Vec<Arc<dyn EventLoop>> =
                (0..count).map(|_| policy.new_event_loop().unwrap()).collect();
            let theirs: Vec<_> = (0..count).map(|_| tokio_runtime(None)).collect();
            Case::timed("scaling", format!("{count} loops, each run"), count * 10)
                .side("ours", None, move || {
                    turns(&ours, |event_loop| {
                        event_loop
                            .run_until_complete(async { policy::spawn(async {}).await.unwrap() })
                            .unwrap();
                    })
                })
                .side("tokio", SAME_SLOPE, move || {
                    turns(&theirs, |runtime| {
                        runtime.block_on(async { tokio::spawn(async {}).await.unwrap() });
                    })
                })
        })
        .collect()
}

fn turns<T>(loops: &[T], run: impl Fn(&T)) -> Duration {
    let began = Instant::now();
    for _ in 0..10 {
        loops.iter().for_each(&run);
    }
    began.elapsed()
}
