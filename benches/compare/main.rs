//! What the layer costs, beside the executors themselves and beside peers.
//!
//! ```text
//! cargo bench --bench compare                  # everything; a table, and target/compare/
//! cargo bench --bench compare -- tasks timers  # the groups with these names
//! cargo bench --bench compare -- --quick       # every case runs, no figure is kept
//! ```
//!
//! How it measures: all sides of a case take turns in one process, round by round, so
//! that what the machine does meanwhile it does to all of them; the first rounds are
//! left out; what counts is the median of the *ratios* of a round, with its quartiles.
//! Times themselves are medians, to give an idea. Allocations are counted in a round of
//! their own.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that fails panics"
)]

mod allocations;
mod cases;
mod harness;
mod plot;
mod report;

use std::process::ExitCode;

use harness::Plan;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    let plan = Plan::from_args();
    if cfg!(debug_assertions) && !plan.is_quick {
        eprintln!("this is a debug build, whose figures mean nothing; run `cargo bench`");
        return ExitCode::FAILURE;
    }
    harness::raise_descriptor_limit();
    let mut rows = Vec::new();
    for (group, cases) in cases::GROUPS {
        if plan.wants(group) {
            eprintln!("== {group}");
            rows.extend(cases(&plan));
        }
    }
    if plan.is_quick {
        println!("{} comparisons ran; --quick keeps no figure", rows.len());
        return ExitCode::SUCCESS;
    }
    let report = report::Report::new(rows);
    println!("{}", report.to_markdown());
    match report.write() {
        Ok(folder) => println!("written to {}", folder.display()),
        Err(error) => {
            eprintln!("can't write the report: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
