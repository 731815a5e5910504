//! Random programs of tasks, on every loop, beside a naive model of what the contract says: one
//! queue of what is ready, first in, first out, and one of what is due.
//!
//! Each program runs in virtual time on a real loop, and all that happens, with its time and in its
//! order, has to be what happens in the model. `PROGRAMS=100000` tries so many in place of a few;
//! those that failed once are in `tests/programs.proptest-regressions`, and are tried first.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "programs/model.rs"]
mod model;
#[path = "programs/real.rs"]
mod real;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};

/// What a task does, one after another.
#[derive(Clone, Debug)]
enum Step {
    /// For so many nanoseconds.
    Sleep(u64),
    /// A sleep that is polled once, and then set to the second time.
    Reset(u64, u64),
    Yield,
    /// Until a gate is open.
    Wait(usize),
    Open(usize),
    /// Wakes itself this many times before it yields once.
    Wake(usize),
    Panic,
}

/// What main does.
#[derive(Clone, Debug)]
enum Op {
    Spawn(Vec<Step>),
    /// The task with this number, of those that were spawned.
    Abort(usize),
    Detach(usize),
    /// For so many nanoseconds at most; then it goes on.
    Join(usize, u64),
    WaitAtMost(usize, u64),
    Step(Step),
}

/// What happens: who, at which nanosecond, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    at: u64,
    who: Who,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Main,
    Task(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A step is over.
    Done(usize),
    /// What a task was, when main had waited for it.
    Joined(End),
    Late,
    /// The future of a task that has not ended is dropped.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Value,
    Cancelled,
    Panicked,
}

const GATES: usize = 4;

/// Times of which no two are alike: what happens at the same moment by accident has no order that
/// anybody promises.
fn time() -> impl Strategy<Value = u64> {
    1_000_u64..50_000_000_000
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => time().prop_map(Step::Sleep),
        1 => (time(), time()).prop_map(|(first, second)| Step::Reset(first, second)),
        2 => Just(Step::Yield),
        3 => (0..GATES).prop_map(Step::Wait),
        3 => (0..GATES).prop_map(Step::Open),
        1 => (1..4_usize).prop_map(Step::Wake),
        1 => Just(Step::Panic),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let own =
        step().prop_filter("main goes on", |step| !matches!(step, Step::Panic | Step::Wait(_)));
    prop_oneof![
        5 => vec(step(), 0..6).prop_map(Op::Spawn),
        2 => (0..8_usize).prop_map(Op::Abort),
        1 => (0..8_usize).prop_map(Op::Detach),
        2 => (0..8_usize, time()).prop_map(|(task, most)| Op::Join(task, most)),
        1 => (0..GATES, time()).prop_map(|(gate, most)| Op::WaitAtMost(gate, most)),
        4 => own.prop_map(Op::Step),
    ]
}

#[test]
fn what_happens_on_a_loop_is_what_happens_in_the_model() {
    // Panics of tasks are a part of it.
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&real::BOMB) {
            eprintln!("{info}");
        }
    }));
    let asked = std::env::var("PROGRAMS").ok().and_then(|number| number.parse().ok());
    let persistence = FileFailurePersistence::Direct("tests/programs.proptest-regressions");
    let mut config = Config::with_cases(asked.unwrap_or(100));
    config.failure_persistence = Some(Box::new(persistence));
    for name in policy::policy_names() {
        let mut runner = TestRunner::new(config.clone());
        let tried = runner.run(&vec(op(), 1..16), |program| {
            let expected = model::run(&program);
            let happened = real::run(name, &program);
            if happened == expected {
                return Ok(());
            }
            let same = expected.iter().zip(&happened).take_while(|(e, h)| e == h).count();
            Err(TestCaseError::fail(format!(
                "on {name}, after the first {same} events:\nexpected {:?}\nhappened {:?}",
                &expected[same..],
                &happened[same..],
            )))
        });
        if let Err(failed) = tried {
            panic!("{failed}");
        }
    }
}
