//! Running a loop that is kept: what stands round a future that is ready.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use policy::{EventLoopPolicy, Runner};

use super::{executor, tokio_runtime};
use crate::harness::{Aim, Case, Plan};

const AIM: Option<Aim> = Some(Aim::AtMost(1.10));

pub fn rows(plan: &Plan) -> Vec<Case> {
    let runs = plan.scale(5_000);
    let ours = |name: &str, policy: &dyn Fn() -> Runner| {
        let runner = Rc::new(RefCell::new(policy()));
        Case::timed("tasks", format!("running a loop, {name}"), runs).side(
            "ours",
            None,
            move || {
                let mut runner = runner.borrow_mut();
                again(runs, || runner.run(async {}).unwrap())
            },
        )
    };
    fn runner(policy: impl EventLoopPolicy) -> Runner {
        Runner::with_policy(policy)
    }
    let (runtime, single) = (tokio_runtime(None), executor(0));
    vec![
        ours("tokio current_thread", &|| runner(policy_tokio::TokioPolicy::current_thread())).side(
            "Runtime::block_on",
            AIM,
            move || again(runs, || runtime.block_on(async {})),
        ),
        ours("smol current_thread", &|| runner(policy_smol::SmolPolicy::current_thread())).side(
            "async-executor in async-io's block_on",
            AIM,
            move || again(runs, || async_io::block_on(single.run(async {}))),
        ),
        #[cfg(target_os = "linux")]
        {
            let runtime = compio_runtime::Runtime::new().unwrap();
            ours("compio", &|| runner(policy_compio::CompioPolicy::new())).side(
                "Runtime::block_on",
                AIM,
                move || again(runs, || runtime.block_on(async {})),
            )
        },
    ]
}

fn again(runs: u32, mut run: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..runs {
        run();
    }
    began.elapsed()
}
