//! Runs each row in a process of its own, and says how it went, as libtest does.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::causes;
use crate::helpers;
use crate::inside::{self, SKIPPED};
use crate::table::{Needs, Row, rows};
use crate::tools::{is_full, wchans};

pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(helper) = &args.helper {
        return helpers::main(helper, &args.rest);
    }
    if args.is_inside {
        let (loop_name, watcher) = (args.on_loop.unwrap(), args.watcher.unwrap());
        let row = rows().find(|row| Some(row.id) == args.filters.first().map(String::as_str));
        return inside::main(row.unwrap(), &loop_name, &watcher, args.part);
    }
    let all = cases();
    let asked: Vec<&Case> = all.iter().filter(|case| args.selects(case)).collect();
    if args.is_list {
        for case in &asked {
            println!("{}: test", case.name());
        }
        return ExitCode::SUCCESS;
    }
    run(&asked, all.len() - asked.len())
}

#[derive(Default)]
struct Args {
    filters: Vec<String>,
    skips: Vec<String>,
    is_exact: bool,
    is_list: bool,
    /// `--ignored`: there are none that have to be asked for.
    is_ignored: bool,
    on_loop: Option<String>,
    watcher: Option<String>,
    is_inside: bool,
    /// What a row hands to a process that it starts itself.
    part: Option<u64>,
    helper: Option<String>,
    rest: Vec<std::ffi::OsString>,
}

impl Args {
    fn parse() -> Self {
        let mut parsed = Self::default();
        let mut args = std::env::args_os().skip(1);
        while let Some(arg) = args.next() {
            let arg = arg.to_string_lossy().into_owned();
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    (name.to_owned(), Some(value.to_owned()))
                }
                _ => (arg, None),
            };
            let mut value =
                || value.clone().or_else(|| args.next()?.into_string().ok()).expect("a value");
            match &*name {
                "--exact" => parsed.is_exact = true,
                "--list" => parsed.is_list = true,
                "--ignored" => parsed.is_ignored = true,
                "--inside" => parsed.is_inside = true,
                "--part" => parsed.part = value().parse().ok(),
                "--loop" => parsed.on_loop = Some(value()),
                "--watcher" => parsed.watcher = Some(value()),
                "--skip" => parsed.skips.push(value()),
                "--helper" => {
                    parsed.helper = Some(value());
                    parsed.rest = args.by_ref().collect();
                }
                // libtest's, which mean nothing here.
                "--format" | "--test-threads" | "--color" | "-Z" | "--logfile" => drop(value()),
                name if name.starts_with('-') => {}
                filter => parsed.filters.push(filter.to_owned()),
            }
        }
        parsed
    }

    fn selects(&self, case: &Case) -> bool {
        let name = case.name();
        let fits = |filter: &String| match self.is_exact {
            true => *filter == name || filter == case.row.id,
            false => name.contains(filter.as_str()),
        };
        !self.is_ignored
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skips.iter().any(fits)
            && self.on_loop.as_deref().is_none_or(|name| name == case.on_loop)
            && self.watcher.as_deref().is_none_or(|name| name == case.watcher)
    }
}

/// A row, on a loop, with a watcher.
struct Case {
    row: &'static Row,
    on_loop: &'static str,
    watcher: &'static str,
}

impl Case {
    fn name(&self) -> String {
        format!("{} [{}, {}] {}", self.row.id, self.on_loop, self.watcher, self.row.says)
    }
}

fn cases() -> Vec<Case> {
    let known = policy::policy_names();
    let mut cases = Vec::new();
    for row in rows() {
        let mut seen = BTreeSet::new();
        for (loops, watchers) in row.on {
            for &on_loop in loops.iter().filter(|name| known.contains(name)) {
                for &watcher in *watchers {
                    if seen.insert((on_loop, watcher)) {
                        cases.push(Case { row, on_loop, watcher });
                    }
                }
            }
        }
    }
    cases
}

enum Verdict {
    Passed,
    Skipped(String),
    Failed(String),
}

fn run(cases: &[&Case], filtered_out: usize) -> ExitCode {
    let begun = Instant::now();
    // What a row leaves behind comes here, and is found.
    causes::become_subreaper();
    println!("\nrunning {} tests", cases.len());
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs() {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let verdict = run_one(case);
                    let mut verdicts = verdicts.lock().unwrap();
                    say(case, &verdict, begun.elapsed());
                    verdicts.push((case.name(), verdict));
                }
            });
        }
    });
    summarize(verdicts.into_inner().unwrap(), filtered_out, begun.elapsed())
}

fn jobs() -> usize {
    std::env::var("FAULTS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(3)
}

fn say(case: &Case, verdict: &Verdict, took: Duration) {
    let name = case.name();
    match verdict {
        Verdict::Passed if took > Duration::from_secs(3) => {
            println!("test {name} … ok ({:.1} s)", took.as_secs_f64());
        }
        Verdict::Passed => println!("test {name} … ok"),
        Verdict::Skipped(reason) => println!("test {name} … skipped: {reason}"),
        Verdict::Failed(_) => println!("test {name} … FAILED"),
    }
}

fn summarize(
    mut verdicts: Vec<(String, Verdict)>,
    filtered_out: usize,
    took: Duration,
) -> ExitCode {
    verdicts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, verdict) in &verdicts {
        match verdict {
            Verdict::Passed => passed += 1,
            Verdict::Skipped(_) => skipped += 1,
            Verdict::Failed(said) => {
                failed += 1;
                println!("\n---- {name} ----\n{said}");
            }
        }
    }
    if failed > 0 {
        println!("\nfailures:");
        for (name, _) in
            verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_)))
        {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; {filtered_out} filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        took.as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn run_one(case: &Case) -> Verdict {
    let mut command = match case.row.needs {
        Needs::Nothing => Command::new(std::env::current_exe().unwrap()),
        Needs::PidNamespace => {
            match within(&["--pid", "--fork", "--kill-child", "--mount-proc"], &PID_NAMESPACE) {
                Ok(command) => command,
                Err(reason) => return Verdict::Skipped(reason),
            }
        }
        Needs::TimeNamespace => {
            match within(
                &["--time", "--monotonic=1000000", "--boottime=1000000", "--fork", "--kill-child"],
                &TIME_NAMESPACE,
            ) {
                Ok(command) => command,
                Err(reason) => return Verdict::Skipped(reason),
            }
        }
    };
    command.args(["--exact", case.row.id, "--loop", case.on_loop, "--watcher", case.watcher]);
    command.arg("--inside");
    // A file and no pipe: what is left behind may hold it as long as it likes.
    let said = causes::scratch_file();
    command.stdin(std::process::Stdio::null());
    command.stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    command.env("RUST_BACKTRACE", "0");
    unsafe {
        command.pre_exec(|| {
            // Not longer than who watches over it.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            // What we were given ourselves is not for it.
            let flag = libc::CLOSE_RANGE_CLOEXEC;
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flag);
            // Nor is what was ignored for us: `nohup` does that.
            for signal in 1..=libc::SIGRTMAX() {
                libc::signal(signal, libc::SIG_DFL);
            }
            match libc::setsid() {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    let mut process = match command.spawn() {
        Ok(process) => process,
        Err(error) => return Verdict::Failed(format!("can't start: {error}")),
    };
    let limit = case.row.limit;
    let limit = Duration::from_secs(if is_full() { 15 * limit } else { limit });
    let begun = Instant::now();
    let (status, hung) = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break (status, None);
        }
        if begun.elapsed() > limit {
            let where_it_stands = wchans(process.id());
            causes::kill_session(process.id());
            let _killed = process.kill();
            break (process.wait().unwrap(), Some(where_it_stands));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let left = causes::kill_session(process.id());
    verdict(status, hung, left, read(said))
}

fn verdict(status: ExitStatus, hung: Option<String>, left: Vec<String>, said: String) -> Verdict {
    if let Some(threads) = hung {
        return Verdict::Failed(format!("{said}\nhangs; its threads:\n{threads}"));
    }
    match status.code() {
        Some(0) if left.is_empty() => Verdict::Passed,
        Some(0) => Verdict::Failed(format!("{said}\nleft behind: {}", left.join(", "))),
        Some(SKIPPED) => {
            let reason = said.lines().rev().find_map(|line| line.strip_prefix("skipped: "));
            Verdict::Skipped(reason.unwrap_or("no reason given").to_owned())
        }
        _ => {
            let end = match status.signal() {
                Some(signal) => format!("killed by signal {signal}"),
                None => format!("exit code {:?}", status.code()),
            };
            Verdict::Failed(format!("{said}\n{end}"))
        }
    }
}

fn read(mut said: File) -> String {
    let mut bytes = Vec::new();
    said.rewind().unwrap();
    said.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    // The end says why.
    let from = text.char_indices().rev().nth(8_000).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

type Probe = OnceLock<Result<(), String>>;
static PID_NAMESPACE: Probe = Probe::new();
static TIME_NAMESPACE: Probe = Probe::new();

/// Our own program, in new namespaces.
fn within(options: &[&str], probe: &Probe) -> Result<Command, String> {
    probe
        .get_or_init(|| {
            let output = Command::new("unshare").args(options).arg("true").output();
            match output {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => {
                    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    Err(format!("no new namespaces here: {said}"))
                }
                Err(error) => Err(format!("no program `unshare` here: {error}")),
            }
        })
        .clone()?;
    let mut command = Command::new("unshare");
    command.args(options).arg(std::env::current_exe().unwrap());
    Ok(command)
}
