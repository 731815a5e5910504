//! Sleeping.

use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use policy::{EventLoop, EventLoopPolicy};

use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Plan, Row};

const NATIVE: Option<Aim> = Some(Aim::AtMost(1.03));
/// Sleeps that fire.
const FIRED: Option<Aim> = Some(Aim::AtMost(0.80));
/// Sleeps that are given up, with tokio's, async-io's and compio's, and on loops with threads.
const GIVEN_UP: [Option<Aim>; 4] = [
    Some(Aim::AtMost(0.35)),
    Some(Aim::AtMost(0.70)),
    Some(Aim::AtMost(0.90)),
    Some(Aim::AtMost(0.60)),
];

/// So many other sleeps are pending while sleeps are given up.
const OTHERS: u32 = 10_000;

pub fn rows(plan: &Plan) -> Vec<Row> {
    [many(plan), cancelled(plan, 0), cancelled(plan, OTHERS), at_once(plan), drift(plan)]
        .into_iter()
        .flatten()
        .flat_map(|case| case.run(plan))
        .collect()
}

/// Spawns a task per sleep; all end within 20 ms.
macro_rules! sleep_all {
    ($count:expr, $spawn:expr, $sleep:expr) => {{
        let count = $count;
        async move {
            let began = Instant::now();
            let tasks: Vec<_> = (0..count)
                .map(|n| $spawn($sleep(Duration::from_micros(u64::from(n % 20_000)))))
                .collect();
            for task in tasks {
                let _ = task.await;
            }
            began.elapsed()
        }
    }};
}

fn many(plan: &Plan) -> Vec<Case> {
    let count = plan.scale(10_000);
    let on_tokio = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let on_smol = policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
    let (runtime, single) = (tokio_runtime(None), executor(0));
    vec![
        Case::timed("timers", "10,000 sleeps, tokio current_thread", count)
            .side("ours", None, move || {
                let work = sleep_all!(count, policy::spawn, policy::time::sleep);
                on_tokio.run_until_complete(work).unwrap()
            })
            .side("tokio", FIRED, move || {
                runtime.block_on(sleep_all!(count, tokio::spawn, tokio::time::sleep))
            }),
        Case::timed("timers", "10,000 sleeps, smol current_thread", count)
            .side("ours", None, move || {
                let work = sleep_all!(count, policy::spawn, policy::time::sleep);
                on_smol.run_until_complete(work).unwrap()
            })
            .side("async-io", FIRED, move || {
                let work = sleep_all!(count, |f| single.spawn(f), async_io::Timer::after);
                async_io::block_on(single.run(work))
            }),
        #[cfg(target_os = "linux")]
        {
            let event_loop = policy_compio::CompioPolicy::new().new_event_loop().unwrap();
            let runtime = compio_runtime::Runtime::new().unwrap();
            Case::timed("timers", "10,000 sleeps, compio", count)
                .side("ours", None, move || {
                    let work = sleep_all!(count, policy::spawn, policy::time::sleep);
                    event_loop.run_until_complete(work).unwrap()
                })
                .side("compio", FIRED, move || {
                    let work =
                        sleep_all!(count, compio_runtime::spawn, compio_runtime::time::sleep);
                    runtime.block_on(work)
                })
        },
    ]
}

/// Makes a timer, polls it so that it is inserted, and drops it; beside so many others,
/// which stay.
macro_rules! insert_and_cancel {
    ($count:expr, $others:expr, $sleep:expr) => {{
        let (count, others) = ($count, $others);
        async move {
            let mut pending = Vec::with_capacity(others as usize);
            for n in 0..others {
                let mut other = Box::pin($sleep(Duration::from_secs(60 + u64::from(n % 60))));
                assert!(is_inserted(other.as_mut()));
                pending.push(other);
                if n % 64 == 63 {
                    futures_lite::future::yield_now().await;
                }
            }
            let began = Instant::now();
            for n in 0..count {
                let timer = pin!($sleep(Duration::from_secs(60 + u64::from(n % 60))));
                assert!(is_inserted(timer));
                // tokio stops polling what never pauses; so each lets others run.
                if n % 64 == 63 {
                    futures_lite::future::yield_now().await;
                }
            }
            began.elapsed()
        }
    }};
}

/// Polls it once. The context is no local of the task, which may move to another thread.
fn is_inserted(timer: Pin<&mut impl Future>) -> bool {
    timer.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn cancelled(plan: &Plan, others: u32) -> Vec<Case> {
    let count = plan.scale(200_000);
    let others = plan.scale(others).min(others);
    let [on_its_own, async_io_s, compio_s, _] = GIVEN_UP;
    let name = |on: &str| match others {
        0 => format!("insert and cancel, {on}"),
        _ => format!("insert and cancel among 10,000, {on}"),
    };
    let on_tokio = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let on_smol = policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
    let (runtime, single) = (tokio_runtime(None), executor(0));
    vec![
        Case::timed("timers", name("tokio current_thread"), count)
            .side("ours", None, move || {
                on_tokio
                    .run_until_complete(insert_and_cancel!(count, others, policy::time::sleep))
                    .unwrap()
            })
            .side("tokio", on_its_own, move || {
                runtime.block_on(insert_and_cancel!(count, others, tokio::time::sleep))
            }),
        Case::timed("timers", name("smol current_thread"), count)
            .side("ours", None, move || {
                on_smol
                    .run_until_complete(insert_and_cancel!(count, others, policy::time::sleep))
                    .unwrap()
            })
            .side("async-io", async_io_s, move || {
                let work = insert_and_cancel!(count, others, async_io::Timer::after);
                async_io::block_on(single.run(work))
            }),
        #[cfg(target_os = "linux")]
        {
            let event_loop = policy_compio::CompioPolicy::new().new_event_loop().unwrap();
            let runtime = compio_runtime::Runtime::new().unwrap();
            Case::timed("timers", name("compio"), count)
                .side("ours", None, move || {
                    let work = insert_and_cancel!(count, others, policy::time::sleep);
                    event_loop.run_until_complete(work).unwrap()
                })
                .side("compio", compio_s, move || {
                    runtime.block_on(insert_and_cancel!(count, others, compio_runtime::time::sleep))
                })
        },
    ]
}

/// The same in a task on each of so many threads, which share the timers.
fn at_once(plan: &Plan) -> Vec<Case> {
    let count = plan.scale(200_000);
    let others = plan.scale(OTHERS);
    let [.., with_threads] = GIVEN_UP;
    /// Has `$spawn` run a part of it for each thread.
    macro_rules! parts {
        ($threads:expr, $spawn:expr, $joined:expr, $sleep:expr) => {{
            let threads = $threads as u32;
            async move {
                let parts: Vec<_> = (0..threads)
                    .map(|_| $spawn(insert_and_cancel!(count / threads, others / threads, $sleep)))
                    .collect();
                let mut longest = Duration::ZERO;
                for part in parts {
                    longest = longest.max($joined(part.await));
                }
                longest
            }
        }};
    }
    let mut cases = Vec::new();
    for threads in [1, 2, 4] {
        let name = |on: &str| {
            format!("insert and cancel among 10,000, {on} multi_thread, {threads} at once")
        };
        let policy = policy_tokio::TokioPolicy::multi_thread().worker_threads(threads);
        let (on_tokio, runtime) = (policy.new_event_loop().unwrap(), tokio_runtime(Some(threads)));
        cases.push(
            Case::timed("timers", name("tokio"), count)
                .side("ours", None, move || {
                    let work = parts!(threads, policy::spawn, Result::unwrap, policy::time::sleep);
                    on_tokio.run_until_complete(work).unwrap()
                })
                .side("tokio", with_threads, move || {
                    runtime.block_on(parts!(
                        threads,
                        tokio::spawn,
                        Result::unwrap,
                        tokio::time::sleep
                    ))
                }),
        );
        let policy = policy_smol::SmolPolicy::multi_thread().worker_threads(threads);
        let (on_smol, multi) = (policy.new_event_loop().unwrap(), executor(threads));
        cases.push(
            Case::timed("timers", name("smol"), count)
                .side("ours", None, move || {
                    let work = parts!(threads, policy::spawn, Result::unwrap, policy::time::sleep);
                    on_smol.run_until_complete(work).unwrap()
                })
                .side("async-io", with_threads, move || {
                    async_io::block_on(parts!(
                        threads,
                        |f| multi.spawn(f),
                        std::convert::identity,
                        async_io::Timer::after
                    ))
                }),
        );
    }
    cases
}

const PERIOD: Duration = Duration::from_millis(1);

/// A run has so many parts, each with an interval of its own that begins at another
/// phase of the millisecond. tokio's timers count in milliseconds from the start of
/// their runtime: an interval is late by where it happens to begin between two of those.
const PHASES: u32 = 20;

/// How late the ticks of an interval are, on average; it must not add up.
macro_rules! lateness {
    ($ticks:expr, $began:ident => $first:expr, $interval:ident => $tick:expr) => {{
        let ticks = ($ticks / PHASES).max(1);
        async move {
            let mut late = Duration::ZERO;
            for phase in 0..PHASES {
                wait_for_phase(PERIOD * phase / PHASES);
                let $began = Instant::now();
                let mut $interval = $first;
                for n in 1..=ticks {
                    $tick;
                    late += $began.elapsed().saturating_sub(PERIOD * n);
                }
            }
            vec![late.as_secs_f64() * 1e9 / f64::from(ticks * PHASES)]
        }
    }};
}

/// Spins until the millisecond has got so far.
fn wait_for_phase(phase: Duration) {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    let so_far = Duration::from_nanos((EPOCH.elapsed().as_nanos() % PERIOD.as_nanos()) as u64);
    let begins = Instant::now() + (PERIOD + phase - so_far);
    while Instant::now() < begins {
        std::hint::spin_loop();
    }
}

fn drift(plan: &Plan) -> Vec<Case> {
    let ticks = plan.scale(200);
    let on_tokio = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let on_smol = policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
    let (runtime, single) = (tokio_runtime(None), executor(0));
    let ours = |name, event_loop: Arc<dyn EventLoop>| {
        Case::new("timers", name, ticks, &[("lateness", "ns")]).measured("ours", &[], move || {
            let work = lateness!(ticks, began => policy::time::interval_at(began + PERIOD, PERIOD), beat => beat.tick().await);
            event_loop.run_until_complete(work).unwrap()
        })
    };
    vec![
        ours("interval of 1 ms, tokio", on_tokio).measured("tokio", &[NATIVE], move || {
            runtime.block_on(lateness!(ticks, began => tokio::time::interval_at((began + PERIOD).into(), PERIOD), beat => beat.tick().await))
        }),
        ours("interval of 1 ms, smol", on_smol).measured("async-io", &[NATIVE], move || {
            let work = lateness!(ticks, began => async_io::Timer::interval_at(began + PERIOD, PERIOD), beat => beat.next().await);
            async_io::block_on(single.run(work))
        }),
    ]
}
