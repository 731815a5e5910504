//! How does one program do its work on any executor?
//!
//! It counts the lines of every source file of a folder in blocking jobs, asks real
//! child programs what they are, with a timeout on each, and lets a timer tick
//! beside all that. First on the default loop, without any set-up; then on every
//! loop that is compiled in, by swapping the policy. The work itself (`quickstart/survey.rs`)
//! names no executor.
//!
//! ```text
//! cargo run --example quickstart                          # the default loop
//! cargo run --example quickstart --all-features           # every loop
//! cargo run --example quickstart --all-features -- --loop tokio ~/src/other
//! ```

#[path = "quickstart/args.rs"]
mod args;
#[path = "quickstart/report.rs"]
mod report;
#[path = "quickstart/survey.rs"]
mod survey;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::{Asked, USAGE};
use survey::Survey;

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
    let (survey, took) = run(folder)?;
    let first = format!(
        "{}\nThe same on every loop that is compiled in:\n\n{}",
        report::full(folder, &survey, took),
        report::heading()
    );
    if print(&first)? == Printed::NobodyReads {
        return Ok(Printed::NobodyReads);
    }
    let names = policy::policy_names();
    for name in &names {
        set_policy(name)?;
        let (survey, took) = run(folder)?;
        if print(&report::row(name, &survey, took))? == Printed::NobodyReads {
            return Ok(Printed::NobodyReads);
        }
    }
    match names.len() {
        1 => print("\nFor more loops: cargo run --example quickstart --all-features\n"),
        _ => Ok(Printed::All),
    }
}

/// The same job on one loop.
fn on(event_loop: &str, folder: &Path) -> Result<Printed, Failure> {
    set_policy(event_loop)?;
    let (survey, took) = run(folder)?;
    print(&report::full(folder, &survey, took))
}

fn set_policy(name: &str) -> Result<(), Failure> {
    policy::set_event_loop_policy(policy::from_name(name).map_err(|error| error.to_string())?);
    Ok(())
}

/// Makes a loop by the policy in force, works on it, and closes it.
fn run(folder: &Path) -> Result<(Survey, Duration), Failure> {
    let began = Instant::now();
    let survey = policy::try_run(survey::survey(folder.to_path_buf()))
        .map_err(|error| error.to_string())??;
    Ok((survey, began.elapsed()))
}

#[derive(PartialEq, Eq)]
enum Printed {
    All,
    /// The reader has gone, as in `quickstart | head -1`: that is no failure, and
    /// no reason to work on.
    NobodyReads,
}

fn print(text: &str) -> Result<Printed, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Printed::All),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printed::NobodyReads),
        Err(error) => Err(format!("can't write to standard output: {error}")),
    }
}
