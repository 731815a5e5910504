//! What is kept per task, per sleep, per watched child, per idle loop: bytes that the
//! allocator gave and has not got back.

use std::future::pending;
use std::time::Duration;

use policy::{EventLoop, EventLoopPolicy};

use super::tasks::{executor, tokio_runtime};
use crate::allocations::{count, so_far as allocations_so_far};
use crate::harness::{Aim, Case, Measure, Plan, Row};

const BYTES: Measure = ("memory", "B");

/// No more than the executor's own.
const NATIVE: Option<Aim> = Some(Aim::AtMost(1.0));

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(5);
    [tasks(plan), spawns(plan), sleeps(plan), children(plan), loops(plan)]
        .into_iter()
        .flatten()
        .flat_map(|case| case.run(plan))
        .collect()
}

/// Bytes kept per thing, while `things` are alive.
fn per<T>(things: u32, make: impl FnOnce() -> T) -> Vec<f64> {
    let (kept, counted) = count(make);
    drop(kept);
    vec![counted.bytes_kept as f64 / f64::from(things)]
}

fn tasks(plan: &Plan) -> Vec<Case> {
    let many = plan.scale(10_000);
    // The room for the handles is made before: it is no task's.
    let spawn_all = move |event_loop: &std::sync::Arc<dyn EventLoop>| {
        let mut tasks = Vec::with_capacity(many as usize);
        per(many, || {
            tasks.extend((0..many).map(|_| event_loop.spawn(pending::<()>())));
            tasks
        })
    };
    let runtime = tokio_runtime(None);
    let single = executor(0);
    vec![
        Case::new("memory", "a task, tokio", many, &[BYTES])
            .measured("ours", &[], move || {
                let event_loop =
                    policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
                let bytes = spawn_all(&event_loop);
                event_loop.close().unwrap();
                bytes
            })
            .measured("tokio", &[NATIVE], move || {
                let tasks: Vec<_> = Vec::with_capacity(many as usize);
                per(many, || {
                    let mut tasks = tasks;
                    tasks.extend((0..many).map(|_| runtime.spawn(pending::<()>()).abort_handle()));
                    Aborting(tasks)
                })
            }),
        Case::new("memory", "a task, smol", many, &[BYTES])
            .measured("ours", &[], move || {
                let event_loop =
                    policy_smol::SmolPolicy::current_thread().new_event_loop().unwrap();
                let bytes = spawn_all(&event_loop);
                event_loop.close().unwrap();
                bytes
            })
            .measured("async-executor", &[NATIVE], move || {
                let mut tasks = Vec::with_capacity(many as usize);
                per(many, || {
                    tasks.extend((0..many).map(|_| single.spawn(pending::<()>())));
                    tasks
                })
            }),
    ]
}

/// What a spawn allocates in all, from its call to the result that its handle gives.
fn spawns(plan: &Plan) -> Vec<Case> {
    const ALLOCATIONS: Measure = ("allocations", "each");
    const ONE: Option<Aim> = Some(Aim::Ours(1.0));
    let many = plan.scale(10_000);
    macro_rules! each {
        ($run:expr, $spawn:expr) => {{
            let work = async {
                // What is made once, by the first.
                let _ = $spawn(async {}).await;
                let before = allocations_so_far();
                for n in 0..many {
                    let _ = $spawn(async move { n }).await;
                }
                f64::from(u32::try_from(allocations_so_far() - before).unwrap()) / f64::from(many)
            };
            vec![count(|| $run(work)).0]
        }};
    }
    let ours = |on: &str, policy: &dyn EventLoopPolicy| {
        let event_loop = policy.new_event_loop().unwrap();
        let case = Case::new("memory", format!("a spawn, {on}"), 0, &[ALLOCATIONS]);
        case.measured("ours", &[], move || {
            each!(|work| event_loop.run_until_complete(work).unwrap(), policy::spawn)
        })
    };
    let (runtime, single) = (tokio_runtime(None), executor(0));
    vec![
        ours("tokio current_thread", &policy_tokio::TokioPolicy::current_thread()).measured(
            "tokio",
            &[ONE],
            move || each!(|work| runtime.block_on(work), tokio::spawn),
        ),
        ours("smol current_thread", &policy_smol::SmolPolicy::current_thread()).measured(
            "async-executor",
            &[ONE],
            move || {
                each!(|work| async_io::block_on(single.run(work)), |future| single.spawn(future))
            },
        ),
        #[cfg(target_os = "linux")]
        {
            let runtime = compio_runtime::Runtime::new().unwrap();
            ours("compio", &policy_compio::CompioPolicy::new()).measured(
                "compio",
                &[ONE],
                move || each!(|work| runtime.block_on(work), compio_runtime::spawn),
            )
        },
    ]
}

struct Aborting(Vec<tokio::task::AbortHandle>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

fn sleeps(plan: &Plan) -> Vec<Case> {
    let many = plan.scale(10_000);
    let size = |name, ours: usize, theirs: usize| {
        Case::new("memory", name, many, &[BYTES])
            .measured("ours", &[], move || vec![ours as f64])
            .measured("its own", &[Some(Aim::Ours(112.0))], move || vec![theirs as f64])
    };
    vec![
        size(
            "a sleep, tokio (inline)",
            size_of_val(&policy_sleep()),
            size_of::<tokio::time::Sleep>(),
        ),
        size(
            "a sleep, async-io (inline)",
            size_of_val(&policy_sleep()),
            size_of::<async_io::Timer>(),
        ),
    ]
}

fn policy_sleep() -> policy::time::Sleep {
    policy::time::sleep(Duration::from_secs(1))
}

fn children(plan: &Plan) -> Vec<Case> {
    let many = plan.scale(1_000);
    let event_loop = policy_tokio::TokioPolicy::current_thread().new_event_loop().unwrap();
    let runtime = tokio_runtime(None);
    vec![
        Case::new("memory", "a watched child", many, &[BYTES])
            .measured("ours", &[], move || {
                event_loop
                    .run_until_complete(async {
                        per(many, || {
                            (0..many)
                                .map(|_| {
                                    let mut command = policy::process::Command::new("sleep");
                                    command.arg("1000").kill_on_drop(true).spawn().unwrap()
                                })
                                .collect::<Vec<_>>()
                        })
                    })
                    .unwrap()
            })
            .measured("tokio::process", &[Some(Aim::AtMost(1.0))], move || {
                runtime.block_on(async {
                    per(many, || {
                        (0..many)
                            .map(|_| {
                                let mut command = tokio::process::Command::new("sleep");
                                command.arg("1000").kill_on_drop(true).spawn().unwrap()
                            })
                            .collect::<Vec<_>>()
                    })
                })
            }),
    ]
}

fn loops(plan: &Plan) -> Vec<Case> {
    let many = plan.scale(200);
    let idle = move |policy: &dyn EventLoopPolicy| {
        per(many, || (0..many).map(|_| policy.new_event_loop().unwrap()).collect::<Vec<_>>())
    };
    vec![
        Case::new("memory", "an idle loop, tokio current_thread", many, &[BYTES])
            .measured("ours", &[], move || idle(&policy_tokio::TokioPolicy::current_thread()))
            .measured("tokio", &[Some(Aim::AtMost(1.25))], move || {
                per(many, || (0..many).map(|_| tokio_runtime(None)).collect::<Vec<_>>())
            }),
        // An executor is next to nothing before its first task, and has no reactor: that
        // is one for the process. Ours is a loop, with its queues, callbacks and lists.
        Case::new("memory", "an idle loop, smol current_thread", many, &[BYTES])
            .measured("ours", &[], move || idle(&policy_smol::SmolPolicy::current_thread()))
            .measured("async-executor, not used yet", &[], move || {
                let new = || Box::new(async_executor::Executor::<'static>::new());
                per(many, || (0..many).map(|_| new()).collect::<Vec<_>>())
            })
            .measured("async-executor, after a task", &[], move || {
                let used = || {
                    let executor = Box::new(async_executor::Executor::<'static>::new());
                    async_io::block_on(executor.run(executor.spawn(async {})));
                    executor
                };
                per(many, || (0..many).map(|_| used()).collect::<Vec<_>>())
            }),
        #[cfg(target_os = "linux")]
        compio_loops(plan),
    ]
}

/// Loops that have run once, since only then they have a ring; the kernel's part of it
/// is not counted.
#[cfg(target_os = "linux")]
fn compio_loops(plan: &Plan) -> Case {
    let few = plan.scale(20);
    Case::new("memory", "an idle loop, compio, after a run", few, &[BYTES])
        .measured("ours", &[], move || {
            let policy = policy_compio::CompioPolicy::new();
            per(few, || {
                let event_loop = || {
                    let event_loop = policy.new_event_loop().unwrap();
                    event_loop.run_until_complete(async {}).unwrap();
                    event_loop
                };
                (0..few).map(|_| event_loop()).collect::<Vec<_>>()
            })
        })
        .measured("compio", &[Some(Aim::AtMost(1.25))], move || {
            per(few, || {
                let runtime = || {
                    let runtime = compio_runtime::Runtime::new().unwrap();
                    runtime.block_on(async {});
                    runtime
                };
                (0..few).map(|_| runtime()).collect::<Vec<_>>()
            })
        })
}
