//! What the user asks for.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::template::Template;
use crate::watchers;

/// What the user asks for.
pub(crate) struct Settings {
    pub(crate) jobs: usize,
    pub(crate) event_loop: Option<String>,
    pub(crate) watcher: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) retries: u32,
    pub(crate) keep_order: bool,
    pub(crate) joblog: Option<PathBuf>,
    pub(crate) halt_on_error: bool,
    pub(crate) progress: bool,
    /// Inputs end with NUL and not with a newline.
    pub(crate) null: bool,
    pub(crate) template: Template,
    /// `None`: they come from standard input.
    pub(crate) inputs: Option<Vec<OsString>>,
}

/// Runs a command over many inputs, several at a time.
#[derive(Parser)]
#[command(name = "fanout", version, after_help = AFTER_HELP)]
#[command(override_usage = "fanout [OPTIONS] COMMAND [ARG]... [::: INPUT...]\n       \
                            fanout [OPTIONS] COMMAND [ARG]... < LINES")]
struct Cli {
    /// How many jobs run at a time [default: one per core]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    #[arg(long = "loop", value_name = "NAME", help = loop_help())]
    event_loop: Option<String>,
    #[arg(long, value_name = "NAME", help = watcher_help())]
    watcher: Option<String>,
    /// End a job that takes longer, such as 500ms, 10s, 1.5m; it counts as failed
    #[arg(long, value_name = "D", value_parser = timeout)]
    timeout: Option<Duration>,
    /// How long a job that is to end has for it (SIGTERM) before it is killed
    #[arg(long, value_name = "D", value_parser = duration, default_value = "5s")]
    grace: Duration,
    /// Run a job that failed up to N times more; only the output of the last try counts
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    /// Print what jobs write in the order of their inputs
    #[arg(short, long)]
    keep_order: bool,
    /// Write a line for each job that has ended, with tabs between the columns
    #[arg(long, value_name = "FILE")]
    joblog: Option<PathBuf>,
    /// When a job fails, stop the others and run no more
    #[arg(long)]
    halt_on_error: bool,
    /// Show how far it is: a bar on a terminal, lines elsewhere
    #[arg(long)]
    progress: bool,
    /// Inputs on standard input end with NUL, as from `find -print0`
    #[arg(short = '0', long)]
    null: bool,
    /// The command; `{}` stands for the input, which comes last if there is no `{}`
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Examples:
  fanout gzip -9 ::: *.log
  find . -name '*.png' -print0 | fanout -0 -j 8 --progress optipng -quiet {}
  fanout --retries 2 --joblog log.tsv sh -c 'ssh \"$1\" uptime' sh {} < hosts

Exit code: how many jobs failed (101 for more), 2 for invalid arguments,
130 if interrupted, 141 if the reader of the output has gone, 255 if it cannot continue.";

fn loop_help() -> String {
    format!("The event loop: {} [default: default]", policy::policy_names().join(", "))
}

fn watcher_help() -> String {
    format!("How children are waited for: {} [default: auto]", watchers::names())
}

/// Reads the arguments.
///
/// # Errors
/// If they mean nothing, or ask for help.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Settings, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    let mut words = cli.command;
    let inputs = match words.iter().position(|word| word == SEPARATOR) {
        Some(at) => {
            let inputs = words.split_off(at).split_off(1);
            // GNU parallel combines them, so nobody should get something else.
            if inputs.iter().any(|input| input == SEPARATOR) {
                return Err(wrong(ErrorKind::TooManyValues, "one `:::` at most"));
            }
            Some(inputs)
        }
        None => None,
    };
    let template = Template::new(words)
        .ok_or_else(|| wrong(ErrorKind::MissingRequiredArgument, "no command before `:::`"))?;
    Ok(Settings {
        jobs: cli.jobs.map_or_else(cores, NonZero::get),
        event_loop: cli.event_loop,
        watcher: cli.watcher,
        timeout: cli.timeout,
        grace: cli.grace,
        retries: cli.retries,
        keep_order: cli.keep_order,
        joblog: cli.joblog,
        halt_on_error: cli.halt_on_error,
        progress: cli.progress,
        null: cli.null,
        template,
        inputs,
    })
}

const SEPARATOR: &str = ":::";

fn wrong(kind: ErrorKind, what: &str) -> clap::Error {
    Cli::command().error(kind, what)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no job ends in no time; leave it away for no limit".to_owned()),
        limit => Ok(limit),
    }
}

/// Reads a number of seconds, or of the unit that follows it.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 60.0 * 60.0,
        "d" => 24.0 * 60.0 * 60.0,
        _ => return Err(format!("there is no unit {unit:?}; take ms, s, m, h or d")),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| "not a length of time; write one such as 500ms, 10s or 1.5m".to_owned())
}
