//! Measuring two ways to do the same, in turn, in one process.
#![allow(dead_code, reason = "each bench is a program of its own and takes what it needs")]

use std::fmt::Write as _;
use std::time::Duration;

/// How often the pair is measured, after the warm-up.
const ROUNDS: usize = 31;
const WARM_UP: usize = 3;

/// The outcome of one pair.
pub(crate) struct Ratio {
    pub(crate) case: String,
    pub(crate) ours: Duration,
    pub(crate) theirs: Duration,
    pub(crate) quartiles: [f64; 3],
}

/// What kind of run was asked for: `--quick` runs every case once and says nothing
/// about time.
pub(crate) fn rounds() -> (usize, usize) {
    match std::env::args().any(|arg| arg == "--quick" || arg == "--test") {
        true => (0, 1),
        false => (WARM_UP, ROUNDS),
    }
}

/// Measures `ours` and `theirs` in turn, A B A B …, and takes the quartiles of the
/// ratios: what the machine does meanwhile, it does to both.
pub(crate) fn alternate(
    case: impl Into<String>,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> Ratio {
    let (warm_up, rounds) = rounds();
    for _ in 0..warm_up {
        ours();
        theirs();
    }
    let mut pairs: Vec<(Duration, Duration)> = (0..rounds)
        .map(|round| match round % 2 {
            // Who goes first changes, too: the second of a pair finds warm caches.
            0 => {
                let ours = ours();
                (ours, theirs())
            }
            _ => {
                let theirs = theirs();
                (ours(), theirs)
            }
        })
        .collect();
    let mut ratios: Vec<f64> =
        pairs.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    pairs.sort();
    let ours = pairs[pairs.len() / 2].0;
    pairs.sort_by_key(|(_, theirs)| *theirs);
    let theirs = pairs[pairs.len() / 2].1;
    Ratio { case: case.into(), ours, theirs, quartiles: [at(1), at(2), at(3)] }
}

/// Prints the pairs, per operation.
pub(crate) fn print(title: &str, operations: u32, ratios: &[Ratio]) {
    let mut table = format!("\n{title}\n");
    let _ = writeln!(
        table,
        "{:<34} {:>10} {:>10}   {:>6} {:>6} {:>6}",
        "case", "ours", "native", "q1", "ratio", "q3"
    );
    for Ratio { case, ours, theirs, quartiles: [q1, median, q3] } in ratios {
        let nanos = |time: &Duration| time.as_secs_f64() * 1e9 / f64::from(operations);
        let _ = writeln!(
            table,
            "{case:<34} {:>7.0} ns {:>7.0} ns   {q1:>6.3} {median:>6.3} {q3:>6.3}",
            nanos(ours),
            nanos(theirs)
        );
    }
    println!("{table}");
}
