//! What can this machine do for event loops and children, and what can it not do?
//!
//! ```text
//! cargo run --example doctor              # a table, with a remedy below each "no"
//! cargo run --example doctor -- --json    # the same for programs
//! ```
//!
//! Exit code: 0; 1 if something needs attention; 2 for an invalid argument.

use std::process::ExitCode;

use event_loop_policy_first_look::print;

const USAGE: &str = "\
Reports what this machine and this build can do: loops, children, limits.

Usage: doctor [--json]

Exit code: 0, 1 if something needs attention, 2 if an argument is invalid.
";

fn main() -> ExitCode {
    let mut json = false;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--json" => json = true,
            "--help" | "-h" => return ended(print(USAGE).map(|_| false)),
            _ => return ended(Err(format!("there is no option {arg:?}; try --help"))),
        }
    }
    let report = policy::doctor();
    let text = if json { report.to_json() + "\n" } else { report.to_string() };
    ended(print(&text).map(|_| report.problems().next().is_some()))
}

fn ended(result: Result<bool, String>) -> ExitCode {
    match result {
        Ok(problems) => ExitCode::from(u8::from(problems)),
        Err(failure) => {
            eprintln!("doctor: {failure}");
            ExitCode::from(2)
        }
    }
}
