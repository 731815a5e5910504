//! The same while every processor is kept busy by who is nice: a start that only waits for
//! a thread to get its turn is late then.

use std::process::{Child, Command};

use super::{CALM, IN_FLIGHT, WORST_TICK, async_process, how_many, ours, peers, tokio_process};
use crate::harness::{Aim, Case, Plan, Row, TIME};

const AIM: Option<Aim> = Some(Aim::AtMost(0.25));

pub fn rows(plan: &Plan) -> Vec<Row> {
    let plan = &plan.at_most(3);
    let count = how_many(plan);
    let name = format!("{count} × /bin/true, {IN_FLIGHT} in flight, beside spinners at nice 19");
    if plan.leaves_out(&name) {
        return Vec::new();
    }
    let _spinners = Spinners::start();
    let mut case = Case::new("children", name, 0, &[TIME, WORST_TICK])
        .measured("ours", &[], ours(policy_tokio::TokioPolicy::current_thread(), count))
        .measured("tokio::process", &[AIM, CALM], tokio_process(count))
        .measured("async-process", &[], async_process(count));
    if let Some(run) = peers::posix_spawn(count) {
        case = case.measured("posix_spawn in C, 4 threads", &[], run);
    }
    case.run(plan)
}

/// One for each processor, until this is dropped.
struct Spinners(Vec<Child>);

impl Spinners {
    fn start() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let spin = || {
            let mut command = Command::new("nice");
            command.args(["-n", "19", "sh", "-c", "while :; do :; done"]).spawn().unwrap()
        };
        Self((0..processors).map(|_| spin()).collect())
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}
