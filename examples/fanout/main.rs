//! How does a real tool use the child layer? This one runs a command over many inputs, several at a
//! time, like `xargs -P` and GNU parallel: on any loop, with any watcher.
//!
//! ```text
//! fanout [OPTIONS] COMMAND [ARG…] [::: INPUT…]        inputs from the command line
//! fanout [OPTIONS] COMMAND [ARG…] < lines             inputs from standard input
//!
//! fanout gzip -9 ::: *.log                            one job per file
//! find . -name '*.png' -print0 | fanout -0 -j 8 --progress optipng -quiet {}
//! fanout --keep-order --timeout 10s curl -fsS https://{}/ ::: example.org example.net
//! fanout --retries 2 --joblog log.tsv sh -c 'ssh "$1" uptime' sh {} < hosts
//! fanout --halt-on-error --loop tokio --watcher pidfd make -C {} test ::: */
//!
//! cargo run --example fanout --all-features -- -j 2 echo hello {} ::: you me
//! ```
//!
//! `{}` in any word of the command stands for the input; a command without `{}` gets the input as
//! its last word. No shell is in between: if you need one, pass the input as an argument, as above,
//! and not as a part of the script.
//!
//! A job's output is printed in one piece when the job ends, or in the order of the inputs with
//! `--keep-order`. Large outputs wait in a temporary file (see [`spool`]). Jobs read nothing from
//! standard input. Each is a process group of its own, so that `--timeout`, `--halt-on-error` and
//! Ctrl-C end its child processes with it. Ctrl-C also prints which inputs were not run; a second
//! Ctrl-C does not wait for the grace period. A process that has moved to another group (a daemon)
//! is out of reach, and processes that a job leaves behind when it ends by itself are left alone.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | every job succeeded, or there was none |
//! | 1–100 | that many jobs failed; 101: that many or more |
//! | 2 | the arguments are invalid; nothing was run |
//! | 130 | it was interrupted (SIGINT, SIGTERM, SIGHUP, SIGQUIT) |
//! | 141 | the reader of its output has gone, as in `fanout … | head` |
//! | 255 | `fanout` itself could not go on: a full disk, say |
//!
//! Columns of the job log: number, start (seconds since 1970), seconds it took, exit value, signal
//! (0: none), command as a shell would take it. The exit value is 128 + N for a job that signal N
//! ended, 124 for one that `--timeout` ended, 127 for one that could not be started, and -1 for one
//! of which not all is known. There is one line for each job that was started, in the order in
//! which they ended; with `--retries`, of its last try.

mod args;
mod flag;
mod inputs;
mod job;
mod joblog;
mod printer;
mod scheduler;
mod signals;
mod spool;
mod template;
mod watchers;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use args::Settings;
use inputs::Inputs;
use job::Rules;
use joblog::Joblog;
use printer::Printer;
use scheduler::{Outcome, Scheduler, Why};

/// What went wrong: one line, for a person.
type Failure = String;

fn main() -> ExitCode {
    let settings = match args::parse(std::env::args_os()) {
        Ok(settings) => settings,
        // Help, too, is an error of clap's.
        Err(error) => {
            let _nobody_reads = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match run(settings) {
        Ok(outcome) => exit_code(&outcome),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(USAGE)
        }
    }
}

const USAGE: u8 = 2;

fn run(settings: Settings) -> Result<Outcome, Failure> {
    let name = settings.event_loop.as_deref().unwrap_or("default");
    policy::set_event_loop_policy(policy::from_name(name).map_err(|error| error.to_string())?);
    watchers::set(settings.watcher.as_deref().unwrap_or("auto"))?;
    let joblog = settings.joblog.map(Joblog::create).transpose()?;

    let (alarm, alarms) = async_channel::unbounded();
    signals::listen(alarm.clone())?;
    let inputs = Inputs::new(settings.inputs, settings.null)?;
    let style = printer::Style { keep_order: settings.keep_order, progress: settings.progress };
    let printer = Printer::start(style, joblog, inputs.total(), alarm)?;
    let rules = Rules {
        template: settings.template,
        timeout: settings.timeout,
        grace: settings.grace,
        retries: settings.retries,
    };
    let scheduler = Scheduler {
        jobs: at_once(settings.jobs),
        halt_on_error: settings.halt_on_error,
        rules: Arc::new(rules),
        inputs,
        printer,
        alarms,
    };
    policy::try_run(scheduler.run()).map_err(|error| error.to_string())?
}

/// Returns how many jobs run at once: what was asked for, if there are enough
/// descriptors for it.
fn at_once(jobs: usize) -> usize {
    // Two pipes and a pidfd; four more while it is started, yet few are at a time.
    const EACH: u64 = 4;
    const OURS: u64 = 64;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = limit.map_or(u64::MAX, |limit| (limit.saturating_sub(OURS) / EACH).max(1));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if jobs > most {
        complain(&format!("{most} jobs at a time, not {jobs}; for more, raise `ulimit -n`"));
    }
    jobs.min(most)
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    const MOST: u8 = 101;
    ExitCode::from(match &outcome.why {
        None | Some(Why::Halted) => u8::try_from(outcome.failed).unwrap_or(MOST).min(MOST),
        Some(Why::Interrupted) => 130,
        // As a program that SIGPIPE ends, to a shell with `pipefail`.
        Some(Why::NobodyReads) => 141,
        Some(Why::Broken(failure)) => {
            complain(failure);
            255
        }
    })
}

fn complain(failure: &str) {
    // Not `eprintln!`: it panics if standard error is closed.
    let _nobody_reads = writeln!(io::stderr(), "fanout: {failure}");
}
