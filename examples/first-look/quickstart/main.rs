//! How does one program do its work on any executor?
//!
//! It counts the lines of every source file of a folder in blocking jobs, runs real child programs,
//! with a timeout on each, and lets a timer tick beside all that. First on the default loop,
//! without any set-up; then on every loop that is compiled in, by swapping the policy. The work
//! itself (`survey.rs`) names no executor.
//!
//! ```text
//! cargo run --example quickstart                          # default, smol, tokio, async-std
//! cargo run --example quickstart --all-features           # compio, too
//! cargo run --example quickstart -- --loop tokio ~/src/other
//! ```

mod args;
mod report;
mod survey;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use args::{Asked, USAGE};
use event_loop_policy_first_look::{Printed, print};
use report::Run;

/// What a user did wrong, or the machine lacks: one line, for a person.
type Failure = String;

fn main() -> ExitCode {
    let result = args::parse(std::env::args_os().skip(1)).and_then(|asked| match asked {
        Asked::Help => print(USAGE),
        Asked::Everywhere { folder } => everywhere(&folder),
        Asked::On { event_loop, folder } => on(&event_loop, &folder),
    });
    match result {
        Ok(Printed::All | Printed::NobodyReads) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not `eprintln!`: it panics if standard error is closed.
            let _nobody_reads = writeln!(io::stderr(), "quickstart: {failure}");
            ExitCode::from(2)
        }
    }
}

/// The main job: the default loop without any set-up, then every other.
fn everywhere(folder: &Path) -> Result<Printed, Failure> {
    let first = run("default", folder)?;
    let text = format!(
        "{}\nThe same program on every loop that is compiled in:\n\n{}",
        report::full(folder, &first),
        report::heading()
    );
    if print(&text)? == Printed::NobodyReads {
        return Ok(Printed::NobodyReads);
    }
    let mut runs = Vec::new();
    for name in policy::policy_names() {
        set_policy(name)?;
        let run = run(name, folder)?;
        if print(&report::row(&run))? == Printed::NobodyReads {
            return Ok(Printed::NobodyReads);
        }
        runs.push(run);
    }
    print(&report::picture(&runs))
}

/// The same job on one loop.
fn on(event_loop: &str, folder: &Path) -> Result<Printed, Failure> {
    set_policy(event_loop)?;
    print(&report::full(folder, &run(event_loop, folder)?))
}

/// The one line that chooses the executor.
fn set_policy(name: &str) -> Result<(), Failure> {
    policy::set_event_loop_policy(policy::from_name(name).map_err(|error| error.to_string())?);
    Ok(())
}

/// Makes a loop by the policy in force, works on it, and closes it.
fn run(name: &str, folder: &Path) -> Result<Run, Failure> {
    let began = Instant::now();
    let survey = policy::try_run(survey::survey(folder.to_path_buf()))
        .map_err(|error| error.to_string())??;
    Ok(Run { name: name.to_owned(), survey, took: began.elapsed() })
}
