//! Spawning from a task of a pool: the loop is found in another way there than on the
//! thread that drives.

use std::hint::black_box;
use std::time::Instant;

use policy::EventLoopPolicy;

use super::{WORKERS, executor, run, tokio_runtime};
use crate::harness::{Aim, Case};

const SPAWN: Option<Aim> = Some(Aim::AtMost(1.05));
const BATCH: Option<Aim> = Some(Aim::AtMost(1.10));

pub fn rows(operations: u32, batch_of: u32) -> Vec<Case> {
    macro_rules! cases {
        ($name:expr, $operations:expr, $aim:expr, $work:ident) => {{
            let operations = $operations;
            let name = |on: &str| format!("{}, {on} multi_thread, from a worker", $name);
            let policy = policy_tokio::TokioPolicy::multi_thread().worker_threads(WORKERS);
            let (on_tokio, runtime) =
                (policy.new_event_loop().unwrap(), tokio_runtime(Some(WORKERS)));
            let policy = policy_smol::SmolPolicy::multi_thread().worker_threads(WORKERS);
            let (on_smol, multi) = (policy.new_event_loop().unwrap(), executor(WORKERS));
            [
                Case::timed("tasks", name("tokio"), operations)
                    .side("ours", None, move || {
                        let work = $work!(operations, f => policy::spawn(f));
                        run(&on_tokio, async { policy::spawn(work).await.unwrap() })
                    })
                    .side("tokio", $aim, move || {
                        let work = $work!(operations, f => tokio::spawn(f));
                        runtime.block_on(async { tokio::spawn(work).await.unwrap() })
                    }),
                Case::timed("tasks", name("smol"), operations)
                    .side("ours", None, move || {
                        let work = $work!(operations, f => policy::spawn(f));
                        run(&on_smol, async { policy::spawn(work).await.unwrap() })
                    })
                    .side("async-executor", $aim, move || {
                        let work = $work!(operations, f => multi.spawn(f));
                        async_io::block_on(async { multi.spawn(work).await })
                    }),
            ]
        }};
    }
    let alone = cases!("spawn and await", operations, SPAWN, spawn_one_by_one);
    let batch = cases!("spawn 10,000 then join", batch_of, BATCH, spawn_batch);
    alone.into_iter().chain(batch).collect()
}
