//! Spawning what nobody joins: all that `any_spawner` offers, of which there is one per
//! process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use policy::EventLoopPolicy;

use super::{run, tokio_runtime};
use crate::harness::{Aim, Case};

/// Spawns tasks that end at once; the last one to end tells.
macro_rules! spawn_detached {
    ($operations:expr, $f:ident => $spawn:expr) => {{
        let operations = $operations;
        async move {
            let left = Arc::new(AtomicU32::new(operations));
            let (all_ended, ended) = async_channel::bounded::<()>(1);
            let began = Instant::now();
            for _ in 0..operations {
                let (left, all_ended) = (left.clone(), all_ended.clone());
                let $f = async move {
                    if left.fetch_sub(1, Relaxed) == 1 {
                        let _full = all_ended.try_send(());
                    }
                };
                $spawn;
            }
            ended.recv().await.unwrap();
            began.elapsed()
        }
    }};
}

pub fn rows(operations: u32) -> Vec<Case> {
    let event_loop = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let (native, any) = (tokio_runtime(None), tokio_runtime(None));
    any_spawner::Executor::init_tokio().unwrap();
    vec![
        Case::timed("tasks", "spawn 10,000, detached, tokio current_thread", operations)
            .side("ours", None, move || {
                run(&event_loop, spawn_detached!(operations, f => drop(policy::spawn(f))))
            })
            .side("tokio", Some(Aim::AtMost(0.45)), move || {
                native.block_on(spawn_detached!(operations, f => drop(tokio::spawn(f))))
            })
            .side("any_spawner", None, move || {
                any.block_on(spawn_detached!(operations, f => any_spawner::Executor::spawn(f)))
            }),
    ]
}
