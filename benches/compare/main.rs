//! What the layer costs, beside the executors themselves and beside peers.
//!
//! ```text
//! cargo bench --bench compare                  # everything; a table, and target/compare/
//! cargo bench --bench compare -- tasks timers  # these groups
//! cargo bench --bench compare -- --quick       # every case runs, no figure is kept
//! cargo bench --bench compare -- --report --save benches/results
//!                                              # measures nothing; puts together what was
//!                                              # measured, and copies it there
//! ```
//!
//! How it measures: all sides of a case take turns in one process, round by round, so
//! that what the machine does meanwhile it does to all of them; the first rounds are
//! left out; what counts is the median of the *ratios* of a round, with its quartiles.
//! Times themselves are medians, to give an idea. Allocations are counted in a round of
//! their own.
//!
//! Each group that was measured is kept in `target/compare/groups`, and the report is
//! made of all of them that are of the same revision: groups may be measured one by one.
//!
//! To profile, or to count system calls, let one side of one case run alone; nothing is
//! kept then:
//!
//! ```text
//! strace -f -c target/release/deps/compare-… net --case 'TCP ping-pong' --side ours
//! ```
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
use std::time::Instant;

use harness::Plan;
use report::{Part, Report};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    match Plan::from_args(&names()).and_then(|plan| run(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The groups, in the order of the report.
fn names() -> Vec<&'static str> {
    cases::GROUPS.iter().map(|(name, _)| *name).collect()
}

fn run(plan: &Plan) -> Result<(), String> {
    if cfg!(debug_assertions) && !plan.is_quick {
        return Err("this is a debug build, whose figures mean nothing; run `cargo bench`".into());
    }
    harness::raise_descriptor_limit();
    let mut measured = Vec::new();
    for (group, cases) in cases::GROUPS {
        if plan.only_reports || !plan.wants(group) {
            continue;
        }
        eprintln!("== {group}");
        let began = Instant::now();
        let part = Part::new(group, cases(plan), began.elapsed());
        eprintln!("   {:.0} s", began.elapsed().as_secs_f64());
        if plan.is_whole() {
            // At once: what was measured is not lost if a later group fails.
            part.write().map_err(|error| format!("can't keep the group {group}: {error}"))?;
        }
        measured.push(part);
    }
    if plan.is_quick {
        let rows: usize = measured.iter().map(Part::len).sum();
        println!("{rows} comparisons ran; --quick keeps no figure");
        return Ok(());
    }
    if !plan.is_whole() {
        println!("{}", Report::of(measured).to_markdown());
        return Ok(());
    }
    let written = Report::of_this_revision(&names()).and_then(|report| {
        println!("{}", report.to_markdown());
        report.write(plan.save.as_deref())
    });
    let folder = written.map_err(|error| format!("can't write the report: {error}"))?;
    println!("written to {}", folder.display());
    Ok(())
}
