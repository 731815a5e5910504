//! The suite tests itself: loops that break the contract are found out, and what a loop
//! says that it can't do is told as such.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod broken_loop;
#[cfg(unix)]
mod broken_reactor;
#[allow(unreachable_pub, reason = "it is a crate of its own: docs/writing-an-adapter.md")]
#[path = "../../../examples/template-adapter/src/lib.rs"]
mod minimal_loop;
mod threaded_loop;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use policy::EventLoopPolicy;
use policy_conformance::{Outcome, clauses};

/// A minimal loop takes milliseconds; what takes so long hangs.
const LIMIT: Duration = Duration::from_secs(4);

/// Makes a policy of loops that are broken so.
trait Sabotage: Copy + Debug + Send + Sync + 'static {
    fn policy(self) -> Arc<dyn EventLoopPolicy>;
}

impl Sabotage for broken_loop::Sabotage {
    fn policy(self) -> Arc<dyn EventLoopPolicy> {
        broken_loop::policy(self)
    }
}

#[cfg(unix)]
impl Sabotage for broken_reactor::Sabotage {
    fn policy(self) -> Arc<dyn EventLoopPolicy> {
        broken_reactor::policy(self)
    }
}

impl Sabotage for threaded_loop::Sabotage {
    fn policy(self) -> Arc<dyn EventLoopPolicy> {
        threaded_loop::policy(Some(self))
    }
}

/// Returns true once a clause of the room finds the loop out.
fn is_found_out(sabotage: impl Sabotage, room: &str) -> bool {
    let mut of_room = clauses().into_iter().filter(|clause| clause.room() == room).peekable();
    assert!(of_room.peek().is_some(), "no room is called {room}");
    of_room.any(|clause| {
        let check = AssertUnwindSafe(|| clause.check(LIMIT, move || sabotage.policy()));
        let broken = catch_unwind(check).is_err();
        if broken {
            println!("{sabotage:?} breaks {clause:?}");
        }
        broken
    })
}

macro_rules! found_out {
    ($($test:ident: $sabotage:expr, $room:literal;)*) => {
        $(#[test]
        fn $test() {
            assert!(is_found_out($sabotage, $room));
        })*
    };
}

mod what_a_driver_can_break {
    use super::broken_loop::Sabotage::*;
    use super::is_found_out;

    found_out! {
        a_loop_that_forgets_wake_ups_is_found_out: ForgetsWakeUps, "tasks";
        a_loop_whose_timers_are_early_is_found_out: EarlyTimers, "time";
        a_loop_that_blocks_itself_is_found_out: BlocksItself, "blocking";
        a_loop_that_panics_is_found_out: Panics, "run";
    }
}

mod what_an_executor_can_break {
    use super::is_found_out;
    use super::threaded_loop::Sabotage::*;

    found_out! {
        a_loop_that_loses_wake_ups_is_found_out: LosesWakeUps, "tasks";
        a_loop_that_sleeps_through_wake_ups_is_found_out: SleepsThroughWakeUps, "turns";
        a_loop_that_loses_tasks_is_found_out: LosesTasks, "tasks";
        a_loop_that_starves_main_is_found_out: StarvesMain, "turns";
        a_loop_that_starves_tasks_is_found_out: StarvesTasks, "turns";
        a_loop_that_keeps_tasks_is_found_out: KeepsTasks, "shutdown";
        a_loop_that_never_runs_tasks_is_found_out: NeverRunsTasks, "tasks";
    }
}

#[cfg(unix)]
mod what_a_reactor_can_break {
    use super::broken_reactor::Sabotage::*;
    use super::is_found_out;

    found_out! {
        a_selector_that_forgets_readers_is_found_out: ForgetsReaders, "selector";
        a_selector_that_forgets_writers_is_found_out: ForgetsWriters, "selector";
        a_selector_that_claims_what_it_never_tried_is_found_out: ClaimsWhatItNeverTried, "net";
        a_selector_that_tells_late_is_found_out_by_the_clock: TellsLate, "clock";
        a_proactor_that_forgets_operations_is_found_out: ForgetsOperations, "proactor";
        a_proactor_that_loses_buffers_is_found_out: LosesBuffers, "proactor";
        a_proactor_that_miscounts_bytes_is_found_out: MiscountsBytes, "proactor";
    }
}

#[test]
fn what_a_loop_says_that_it_cannot_do_is_told_as_such() {
    let mut skipped = 0;
    for clause in clauses().iter().filter(|clause| clause.room() == "selector") {
        if let Outcome::Skipped(reason) =
            clause.check(policy_conformance::LIMIT, minimal_loop::policy)
        {
            assert!(reason.contains("is not a selector"), "{reason}");
            skipped += 1;
        }
    }
    assert!(skipped > 0);
}

#[test]
fn a_clause_that_hangs_is_named() {
    let clause = clauses().into_iter().find(|clause| clause.room() == "tasks").unwrap();
    let hangs = AssertUnwindSafe(|| {
        let never_runs = threaded_loop::Sabotage::NeverRunsTasks;
        clause.check(Duration::from_millis(200), move || never_runs.policy())
    });
    let message = *catch_unwind(hangs).unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains(clause.name()) && message.contains("hangs"), "{message}");
}
