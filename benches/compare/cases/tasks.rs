//! Spawning, waking, yielding.
//!
//! `async_executors` 0.7 has tokio (its single-threaded one in a `LocalSet`) and async-std;
//! it knows no smol. agnostic-lite's smol is the one of the whole process, with a thread.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use agnostic_lite::{AsyncSpawner, RuntimeLite};
use async_executor::Executor;
use async_executors::{AsyncStd, SpawnHandleExt, TokioCt, TokioTp};
use policy::{EventLoop, EventLoopPolicy};

use crate::harness::{Aim, Case, Plan, Row};

/// The aims of a kind of work: on tokio's, smol's and compio's single thread, and from
/// outside of an executor's threads.
struct Aims {
    tokio: Option<Aim>,
    smol: Option<Aim>,
    compio: Option<Aim>,
    multi: Option<Aim>,
}

const fn at_most([tokio, smol, compio, multi]: [f64; 4]) -> Aims {
    let [tokio, smol, compio, multi] =
        [Aim::AtMost(tokio), Aim::AtMost(smol), Aim::AtMost(compio), Aim::AtMost(multi)];
    Aims { tokio: Some(tokio), smol: Some(smol), compio: Some(compio), multi: Some(multi) }
}

const SPAWN: Aims = at_most([0.20, 0.50, 0.35, 1.05]);
const BATCH: Aims = at_most([0.45, 0.80, 0.80, 1.25]);
/// As in the report before there were budgets.
const WAKE: Aims = at_most([1.02, 0.80, 0.72, 1.05]);
const YIELD: Aims = at_most([0.13, 0.90, 0.18, 1.05]);

/// Two worker threads, as many as the machine that CI has.
const WORKERS: usize = 2;

pub fn rows(plan: &Plan) -> Vec<Row> {
    let (batch_of, operations) = (plan.scale(10_000), plan.scale(5_000));
    [
        one_by_one(operations),
        batch(batch_of),
        worker::rows(operations, batch_of),
        detached::rows(batch_of),
        running::rows(plan),
        ping_pong(operations),
        yields(operations),
    ]
    .into_iter()
    .flatten()
    .flat_map(|case| case.run(plan))
    .collect()
}

/// Spawns and awaits one task after the other, with whatever `$spawn` does to `$f`.
macro_rules! spawn_one_by_one {
    ($operations:expr, $f:ident => $spawn:expr) => {{
        let operations = $operations;
        async move {
            let began = Instant::now();
            for n in 0..operations {
                let $f = async move { n };
                let _ = black_box($spawn.await);
            }
            began.elapsed()
        }
    }};
}

/// Spawns many tasks, then awaits them all.
macro_rules! spawn_batch {
    ($operations:expr, $f:ident => $spawn:expr) => {{
        let operations = $operations;
        async move {
            let mut handles = Vec::with_capacity(operations as usize);
            let began = Instant::now();
            for n in 0..operations {
                let $f = async move { n };
                handles.push($spawn);
            }
            for handle in handles.drain(..) {
                let _ = black_box(handle.await);
            }
            began.elapsed()
        }
    }};
}

/// Two tasks that wake each other, through channels that know no executor.
macro_rules! wake_each_other {
    ($operations:expr, $f:ident => $spawn:expr) => {{
        let operations = $operations;
        async move {
            let (to_other, from_us) = async_channel::bounded::<u32>(1);
            let (to_us, from_other) = async_channel::bounded::<u32>(1);
            let $f = async move {
                while let Ok(n) = from_us.recv().await {
                    if to_us.send(n).await.is_err() {
                        return;
                    }
                }
            };
            let other = $spawn;
            let began = Instant::now();
            for n in 0..operations {
                to_other.send(n).await.unwrap();
                black_box(from_other.recv().await.unwrap());
            }
            let took = began.elapsed();
            drop(to_other);
            let _ = other.await;
            took
        }
    }};
}

/// One task that yields again and again.
macro_rules! yield_often {
    ($operations:expr, $yield:path, $f:ident => $spawn:expr) => {{
        let operations = $operations;
        async move {
            let $f = async move {
                let began = Instant::now();
                for _ in 0..operations {
                    $yield().await;
                }
                began.elapsed()
            };
            let took = $spawn.await;
            took
        }
    }};
}

mod detached;
mod running;
mod worker;

/// Makes all pairs of loops and executors do `$work`, a macro from above. The
/// expression after each `=>` is how that executor spawns `f`.
macro_rules! on_every_executor {
    ($case:expr, $operations:expr, $aims:expr, $work:ident) => {{
        let (operations, aims) = ($operations, $aims);
        let ours = |name: &'static str, policy: &dyn EventLoopPolicy| {
            let event_loop = policy.new_event_loop().unwrap();
            let case = Case::timed("tasks", format!("{}, {name}", $case), operations);
            case.side("ours", None, move || {
                run(&event_loop, $work!(operations, f => policy::spawn(f)))
            })
        };
        let tokio_current = tokio_runtime(None);
        let tokio_multi = tokio_runtime(Some(WORKERS));
        let agnostic = tokio_current.clone();
        let agnostic_multi = tokio_multi.clone();
        let (single, multi) = (executor(0), executor(WORKERS));
        let (current, pool) = (TokioCt::new().unwrap(), TokioTp::new().unwrap());
        #[allow(unused_mut, reason = "compio's is there on Linux only")]
        let mut cases = vec![
            ours("tokio current_thread", &policy_tokio::TokioPolicy::current_thread())
                .side("tokio", aims.tokio, move || {
                    tokio_current.block_on($work!(operations, f => tokio::spawn(f)))
                })
                .side("agnostic-lite", None, move || {
                    agnostic.block_on($work!(operations, f => Agnostic::spawn(f)))
                })
                .side("async_executors", None, move || {
                    let spawner = current.clone();
                    current.block_on($work!(operations, f => spawner.spawn_handle(f).unwrap()))
                }),
            ours("tokio multi_thread", &policy_tokio::TokioPolicy::multi_thread().worker_threads(WORKERS))
                .side("tokio", aims.multi, move || {
                    tokio_multi.block_on($work!(operations, f => tokio::spawn(f)))
                })
                .side("agnostic-lite", None, move || {
                    agnostic_multi.block_on($work!(operations, f => Agnostic::spawn(f)))
                })
                .side("async_executors", None, move || {
                    let spawner = pool.clone();
                    pool.block_on($work!(operations, f => spawner.spawn_handle(f).unwrap()))
                }),
            ours("smol current_thread", &policy_smol::SmolPolicy::current_thread())
                .side("async-executor", aims.smol, move || {
                    async_io::block_on(single.run($work!(operations, f => single.spawn(f))))
                }),
            ours("smol multi_thread", &policy_smol::SmolPolicy::multi_thread().worker_threads(WORKERS))
                .side("async-executor", aims.multi, move || {
                    async_io::block_on(multi.run($work!(operations, f => multi.spawn(f))))
                }),
            ours("async-std", &policy_async_std::AsyncStdPolicy::new())
                .side("async-std", aims.multi, move || {
                    async_std::task::block_on($work!(operations, f => async_std::task::spawn(f)))
                })
                .side("async_executors", None, move || {
                    let spawner = AsyncStd::new();
                    AsyncStd::block_on($work!(operations, f => spawner.spawn_handle(f).unwrap()))
                }),
        ];
        #[cfg(target_os = "linux")]
        {
            let runtime = compio_runtime::Runtime::new().unwrap();
            cases.push(
                ours("compio", &policy_compio::CompioPolicy::new()).side("compio", aims.compio, move || {
                    runtime.block_on($work!(operations, f => compio_runtime::spawn(f)))
                }),
            );
        }
        cases
    }};
}

type Agnostic = <agnostic_lite::tokio::TokioRuntime as RuntimeLite>::Spawner;

fn one_by_one(operations: u32) -> Vec<Case> {
    on_every_executor!("spawn and await", operations, SPAWN, spawn_one_by_one)
}

fn batch(operations: u32) -> Vec<Case> {
    on_every_executor!("spawn 10,000 then join", operations, BATCH, spawn_batch)
}

fn ping_pong(operations: u32) -> Vec<Case> {
    on_every_executor!("wake ping-pong", operations, WAKE, wake_each_other)
}

fn yields(operations: u32) -> Vec<Case> {
    let runtime = tokio_runtime(None);
    let tokio_loop = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let smol_loop = policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
    let single = executor(0);
    #[allow(unused_mut, reason = "compio's is there on Linux only")]
    let mut cases = vec![
        Case::timed("tasks", "yield, tokio current_thread", operations)
            .side("ours", None, move || {
                let work = yield_often!(operations, policy::task::yield_now, f => policy::spawn(f));
                run(&tokio_loop, async { work.await.unwrap() })
            })
            .side("tokio", YIELD.tokio, move || {
                let work = yield_often!(operations, tokio::task::yield_now, f => tokio::spawn(f));
                runtime.block_on(async { work.await.unwrap() })
            }),
        Case::timed("tasks", "yield, smol current_thread", operations)
            .side("ours", None, move || {
                let work = yield_often!(operations, policy::task::yield_now, f => policy::spawn(f));
                run(&smol_loop, async { work.await.unwrap() })
            })
            .side("async-executor", YIELD.smol, move || {
                let work =
                    yield_often!(operations, futures_lite::future::yield_now, f => single.spawn(f));
                async_io::block_on(single.run(work))
            }),
    ];
    #[cfg(target_os = "linux")]
    {
        let event_loop = policy_compio::CompioPolicy::new().new_event_loop().unwrap();
        let runtime = compio_runtime::Runtime::new().unwrap();
        cases.push(
            Case::timed("tasks", "yield, compio", operations)
                .side("ours", None, move || {
                    let work =
                        yield_often!(operations, policy::task::yield_now, f => policy::spawn(f));
                    run(&event_loop, async { work.await.unwrap() })
                })
                // compio has no function for it.
                .side("compio", YIELD.compio, move || {
                    let work = yield_often!(
                        operations,
                        futures_lite::future::yield_now,
                        f => compio_runtime::spawn(f)
                    );
                    runtime.block_on(async { work.await.unwrap() })
                }),
        );
    }
    cases
}

pub fn run<T>(event_loop: &Arc<dyn EventLoop>, future: impl Future<Output = T>) -> T {
    event_loop.run_until_complete(future).unwrap()
}

/// A runtime of tokio's own: current-thread, or with so many workers.
pub fn tokio_runtime(workers: Option<usize>) -> Arc<tokio::runtime::Runtime> {
    let mut builder = match workers {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    Arc::new(builder.enable_all().build().unwrap())
}

/// An executor of smol's own, with so many threads that serve it for ever.
pub fn executor(threads: usize) -> &'static Executor<'static> {
    let executor: &'static Executor<'static> = Box::leak(Box::new(Executor::new()));
    for _ in 0..threads {
        std::thread::spawn(|| async_io::block_on(executor.run(std::future::pending::<()>())));
    }
    executor
}
