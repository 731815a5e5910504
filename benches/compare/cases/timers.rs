//! Sleeping.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use policy::{EventLoop, EventLoopPolicy};

use super::tasks::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Plan, Row};

const NATIVE: Option<Aim> = Some(Aim::AtMost(1.03));

pub fn rows(plan: &Plan) -> Vec<Row> {
    [many(plan), cancelled(plan), drift(plan)]
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
            .side("tokio", NATIVE, move || {
                runtime.block_on(sleep_all!(count, tokio::spawn, tokio::time::sleep))
            }),
        Case::timed("timers", "10,000 sleeps, smol current_thread", count)
            .side("ours", None, move || {
                let work = sleep_all!(count, policy::spawn, policy::time::sleep);
                on_smol.run_until_complete(work).unwrap()
            })
            .side("async-io", NATIVE, move || {
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
                .side("compio", NATIVE, move || {
                    let work =
                        sleep_all!(count, compio_runtime::spawn, compio_runtime::time::sleep);
                    runtime.block_on(work)
                })
        },
    ]
}

/// Makes a timer, polls it so that it is inserted, and drops it.
macro_rules! insert_and_cancel {
    ($count:expr, $sleep:expr) => {{
        let count = $count;
        async move {
            let mut cx = Context::from_waker(Waker::noop());
            let began = Instant::now();
            for n in 0..count {
                let timer = pin!($sleep(Duration::from_secs(60 + u64::from(n % 60))));
                assert!(timer.poll(&mut cx).is_pending());
                // tokio stops polling what never pauses; so each lets others run.
                if n % 64 == 63 {
                    futures_lite::future::yield_now().await;
                }
            }
            began.elapsed()
        }
    }};
}

fn cancelled(plan: &Plan) -> Vec<Case> {
    let count = plan.scale(1_000_000);
    let on_tokio = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let on_smol = policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
    let (runtime, single) = (tokio_runtime(None), executor(0));
    vec![
        Case::timed("timers", "insert and cancel, tokio current_thread", count)
            .side("ours", None, move || {
                on_tokio.run_until_complete(insert_and_cancel!(count, policy::time::sleep)).unwrap()
            })
            .side("tokio", NATIVE, move || {
                runtime.block_on(insert_and_cancel!(count, tokio::time::sleep))
            }),
        Case::timed("timers", "insert and cancel, smol current_thread", count)
            .side("ours", None, move || {
                on_smol.run_until_complete(insert_and_cancel!(count, policy::time::sleep)).unwrap()
            })
            .side("async-io", NATIVE, move || {
                let work = insert_and_cancel!(count, async_io::Timer::after);
                async_io::block_on(single.run(work))
            }),
        #[cfg(target_os = "linux")]
        {
            let event_loop = policy_compio::CompioPolicy::new().new_event_loop().unwrap();
            let runtime = compio_runtime::Runtime::new().unwrap();
            Case::timed("timers", "insert and cancel, compio", count)
                .side("ours", None, move || {
                    let work = insert_and_cancel!(count, policy::time::sleep);
                    event_loop.run_until_complete(work).unwrap()
                })
                .side("compio", NATIVE, move || {
                    runtime.block_on(insert_and_cancel!(count, compio_runtime::time::sleep))
                })
        },
    ]
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
