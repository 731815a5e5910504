//! Finding the loop that runs.

use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use policy::EventLoopPolicy;

use crate::harness::{Aim, Case, Plan, Row};

thread_local!(static FLOOR: Cell<u64> = const { Cell::new(1) });

pub fn rows(plan: &Plan) -> Vec<Row> {
    let lookups = plan.scale(1_000_000);
    let spawns = plan.scale(10_000);
    let inside = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let find = Case::timed("lookup", "finding the running loop", lookups)
        .side("ours", None, move || {
            inside
                .run_until_complete(async {
                    repeat(lookups, || {
                        black_box(policy::core::context::with_running(|found| found.state().id()));
                    })
                })
                .unwrap()
        })
        .side("reading a thread-local", Some(Aim::Ours(5.0)), move || {
            repeat(lookups, || {
                black_box(FLOOR.with(Cell::get));
            })
        });
    let ambient = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let explicit = policy::DefaultEventLoopPolicy::new().new_event_loop().unwrap();
    let spawn = Case::timed("lookup", "ambient spawn", spawns)
        .side("ours", None, move || {
            let work = async {
                let began = Instant::now();
                for n in 0..spawns {
                    let _ = black_box(policy::spawn(async move { n }).await);
                }
                began.elapsed()
            };
            ambient.run_until_complete(work).unwrap()
        })
        .side("explicit spawn", Some(Aim::AtMost(1.02)), move || {
            let work = async {
                let began = Instant::now();
                for n in 0..spawns {
                    let _ = black_box(explicit.spawn(async move { n }).await);
                }
                began.elapsed()
            };
            explicit.run_until_complete(work).unwrap()
        });
    [find, spawn].into_iter().flat_map(|case| case.run(plan)).collect()
}

fn repeat(times: u32, f: impl Fn()) -> Duration {
    let began = Instant::now();
    for _ in 0..times {
        f();
    }
    began.elapsed()
}
