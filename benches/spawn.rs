//! What a spawn costs through the layer, against the executor itself.
//!
//! `cargo bench --bench spawn --all-features`. Ratios are medians of at least 31
//! alternated rounds in one process; `-- --quick` only runs every case.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails panics"
)]

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::{EventLoop, EventLoopPolicy};
use support::{Ratio, alternate, print};

const OPERATIONS: u32 = 10_000;

fn main() {
    if cfg!(debug_assertions) {
        println!("this is a debug build, whose figures mean nothing; run `cargo bench`");
        if support::rounds().0 > 0 {
            return;
        }
    }
    let mut one_by_one = Vec::new();
    let mut batch = Vec::new();
    tokio_cases(&mut one_by_one, &mut batch);
    smol_cases(&mut one_by_one, &mut batch);
    async_std_cases(&mut one_by_one, &mut batch);
    print(
        "spawn and await, one after the other (aim: ≤ 1.03, multi ≤ 1.05)",
        OPERATIONS,
        &one_by_one,
    );
    print("spawn 10,000, then await all (aim: ≤ 1.03, multi ≤ 1.05)", OPERATIONS, &batch);
    print("ambient against explicit", OPERATIONS, &[ambient_against_explicit()]);
    running_loop();
}

/// Spawns and awaits one task after the other, with whatever `$spawn` does to `$f`.
macro_rules! one_by_one {
    ($f:ident => $spawn:expr) => {
        async {
            let began = Instant::now();
            for n in 0..OPERATIONS {
                let $f = async move { n };
                let _ = black_box($spawn.await);
            }
            began.elapsed()
        }
    };
}

/// Spawns many tasks, then awaits them all.
macro_rules! batch {
    ($f:ident => $spawn:expr) => {
        async {
            let mut handles = Vec::with_capacity(OPERATIONS as usize);
            let began = Instant::now();
            for n in 0..OPERATIONS {
                let $f = async move { n };
                handles.push($spawn);
            }
            for handle in handles.drain(..) {
                let _ = black_box(handle.await);
            }
            began.elapsed()
        }
    };
}

fn run(event_loop: &Arc<dyn EventLoop>, future: impl Future<Output = Duration>) -> Duration {
    event_loop.run_until_complete(future).unwrap()
}

fn tokio_cases(one: &mut Vec<Ratio>, many: &mut Vec<Ratio>) {
    let flavours: [(&str, policy::TokioPolicy, tokio::runtime::Runtime); 2] = [
        (
            "tokio current_thread",
            policy::TokioPolicy::current_thread(),
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        ),
        (
            "tokio multi_thread",
            policy::TokioPolicy::multi_thread().worker_threads(2),
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        ),
    ];
    for (name, policy, native) in flavours {
        let event_loop = policy.new_event_loop().unwrap();
        one.push(alternate(
            name,
            || run(&event_loop, one_by_one!(f => policy::spawn(f))),
            || native.block_on(one_by_one!(f => tokio::spawn(f))),
        ));
        many.push(alternate(
            name,
            || run(&event_loop, batch!(f => policy::spawn(f))),
            || native.block_on(batch!(f => tokio::spawn(f))),
        ));
        if name.ends_with("multi_thread") {
            // From a worker, where the loop is found in another way than on the
            // thread that drives.
            let on_worker =
                |future| run(&event_loop, async { policy::spawn(future).await.unwrap() });
            one.push(alternate(
                "tokio multi_thread, from a worker",
                || on_worker(Box::pin(one_by_one!(f => policy::spawn(f))) as Worker),
                || {
                    native.block_on(async {
                        tokio::spawn(Box::pin(one_by_one!(f => tokio::spawn(f))) as Worker)
                            .await
                            .unwrap()
                    })
                },
            ));
            many.push(alternate(
                "tokio multi_thread, from a worker",
                || on_worker(Box::pin(batch!(f => policy::spawn(f))) as Worker),
                || {
                    native.block_on(async {
                        tokio::spawn(Box::pin(batch!(f => tokio::spawn(f))) as Worker)
                            .await
                            .unwrap()
                    })
                },
            ));
        }
        event_loop.close().unwrap();
    }
}

type Worker = std::pin::Pin<Box<dyn Future<Output = Duration> + Send>>;

fn smol_cases(one: &mut Vec<Ratio>, many: &mut Vec<Ratio>) {
    static SINGLE: async_executor::Executor<'static> = async_executor::Executor::new();
    let event_loop = policy::SmolPolicy::current_thread().new_event_loop().unwrap();
    one.push(alternate(
        "smol current_thread",
        || run(&event_loop, one_by_one!(f => policy::spawn(f))),
        || async_io::block_on(SINGLE.run(one_by_one!(f => SINGLE.spawn(f)))),
    ));
    many.push(alternate(
        "smol current_thread",
        || run(&event_loop, batch!(f => policy::spawn(f))),
        || async_io::block_on(SINGLE.run(batch!(f => SINGLE.spawn(f)))),
    ));
    event_loop.close().unwrap();

    static MULTI: async_executor::Executor<'static> = async_executor::Executor::new();
    for _ in 0..2 {
        std::thread::spawn(|| async_io::block_on(MULTI.run(std::future::pending::<()>())));
    }
    let event_loop = policy::SmolPolicy::multi_thread().worker_threads(2).new_event_loop().unwrap();
    one.push(alternate(
        "smol multi_thread",
        || run(&event_loop, one_by_one!(f => policy::spawn(f))),
        || async_io::block_on(MULTI.run(one_by_one!(f => MULTI.spawn(f)))),
    ));
    many.push(alternate(
        "smol multi_thread",
        || run(&event_loop, batch!(f => policy::spawn(f))),
        || async_io::block_on(MULTI.run(batch!(f => MULTI.spawn(f)))),
    ));
    event_loop.close().unwrap();
}

fn async_std_cases(one: &mut Vec<Ratio>, many: &mut Vec<Ratio>) {
    let event_loop = policy::AsyncStdPolicy::new().new_event_loop().unwrap();
    one.push(alternate(
        "async-std",
        || run(&event_loop, one_by_one!(f => policy::spawn(f))),
        || async_std::task::block_on(one_by_one!(f => async_std::task::spawn(f))),
    ));
    many.push(alternate(
        "async-std",
        || run(&event_loop, batch!(f => policy::spawn(f))),
        || async_std::task::block_on(batch!(f => async_std::task::spawn(f))),
    ));
    event_loop.close().unwrap();
}

fn ambient_against_explicit() -> Ratio {
    let event_loop = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let ratio = alternate(
        "policy::spawn / event_loop.spawn",
        || run(&event_loop, one_by_one!(f => policy::spawn(f))),
        || run(&event_loop, one_by_one!(f => event_loop.spawn(f))),
    );
    event_loop.close().unwrap();
    ratio
}

/// Finding the running loop, against what reading any thread-local costs.
fn running_loop() {
    use std::cell::Cell;
    thread_local!(static FLOOR: Cell<u64> = const { Cell::new(1) });
    const LOOKUPS: u32 = 1_000_000;

    let event_loop = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let time = |f: &dyn Fn()| {
        let began = Instant::now();
        for _ in 0..LOOKUPS {
            f();
        }
        began.elapsed()
    };
    let ratio = event_loop
        .run_until_complete(async {
            alternate(
                "running loop / thread-local",
                || {
                    time(&|| {
                        black_box(policy::core::context::with_running(|l| l.state().id()));
                    })
                },
                || {
                    time(&|| {
                        black_box(FLOOR.with(Cell::get));
                    })
                },
            )
        })
        .unwrap();
    event_loop.close().unwrap();
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(LOOKUPS);
    println!(
        "finding the running loop: {:.1} ns; reading a thread-local: {:.1} ns (aim: ≤ 5 ns)\n",
        nanos(ratio.ours),
        nanos(ratio.theirs)
    );
}
