//! What rows look with.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use policy::process::Command;
use policy::{Error, ErrorKind};
use rustix::pipe::{PipeFlags, pipe_with};

/// Longer than anything here takes on a loaded machine: a guard against hanging.
pub const LONG: Duration = Duration::from_secs(30);

/// With the counts of FAULTS.md, which take minutes.
pub fn is_full() -> bool {
    std::env::var_os("FAULTS_FULL").is_some_and(|full| full != "0")
}

/// A command of the shell.
pub fn sh(line: impl Display) -> Command {
    Command::shell(line.to_string())
}

/// As [`sh`], for a line of any bytes.
pub fn sh_os(line: &OsStr) -> Command {
    Command::shell(line)
}

/// Waits until something is true; fails if that takes very long.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < LONG, "never: {what}; there are {}", belongings());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Keeps children alive that read from it, and lets them go on all at once.
pub struct Barrier {
    read: OwnedFd,
    _write: OwnedFd,
}

impl Barrier {
    pub fn new() -> Self {
        // Close-on-exec: no child holds the barrier for another.
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        Self { read, _write: write }
    }

    /// A command that exits with this code when the barrier is opened.
    pub fn child(&self, code: usize) -> Command {
        let mut command = sh(format!("read _; exit {code}"));
        command.stdin(self.stdin());
        command
    }

    pub fn stdin(&self) -> Stdio {
        self.read.try_clone().unwrap().into()
    }

    pub fn open(self) {}
}

/// A code for the child with this number that nobody would make up.
pub fn code_of(number: usize) -> usize {
    number % 200 + 3
}

/// Says whether a wait has ended as it may: with the right status or, where the kernel
/// keeps none, a typed error.
#[track_caller]
pub fn check_code(status: Result<std::process::ExitStatus, Error>, code: usize, keeps: bool) {
    match status {
        Ok(status) => assert_eq!(status.code(), i32::try_from(code).ok(), "{status}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::StatusLost, "{error:?}");
            assert!(!keeps, "the kernel has the status, and we have not");
        }
    }
}

/// True if the kernel keeps the status of a child that was reaped, for who has its
/// pidfd: Linux 6.15.
pub fn kernel_keeps_statuses() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 15)
}

#[track_caller]
pub fn check_exited(result: Result<(), Error>) {
    let error = result.expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::ChildExited, "{error:?}");
}

/// How many descriptors and threads this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub fds: usize,
    pub threads: usize,
}

pub fn census() -> Census {
    Census { fds: fds(), threads: threads().len() }
}

/// Descriptors, but for the one that looks.
pub fn fds() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// What to look at when something is left.
pub fn belongings() -> String {
    let open: Vec<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter_map(|fd| {
            let target = fs::read_link(fd.path()).ok()?.display().to_string();
            let info = Path::new("/proc/self/fdinfo").join(fd.file_name());
            let info = fs::read_to_string(info).unwrap_or_default();
            let pid = info.lines().find(|line| line.starts_with("Pid:")).unwrap_or_default();
            Some(format!("{} {target} {pid}", fd.file_name().to_string_lossy()))
        })
        .collect();
    format!("threads {:?}, children {:?}, descriptors {open:?}", threads(), children())
}

/// The names of all threads.
pub fn threads() -> Vec<String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The threads that this crate started for children, and that end when idle.
pub fn helpers() -> Vec<String> {
    let ours = ["policy-reaper", "policy-starter", "policy-sigchld", "policy-waiter", "policy-w"];
    threads()
        .into_iter()
        .filter(|name| ours.iter().any(|ours| name.starts_with(ours)))
        .filter(|name| !name.starts_with("policy-worker"))
        .collect()
}

/// What `/proc` says of a process.
#[derive(Clone, Debug)]
pub struct Stat {
    pub pid: u32,
    pub name: String,
    pub state: char,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
}

pub fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, fields) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    Some(Stat { pid, name: name.to_owned(), state, parent, group, session })
}

/// Every process there is.
pub fn processes() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(stat)
}

/// This process's children, zombies included.
pub fn children() -> Vec<Stat> {
    let me = std::process::id();
    processes().filter(|process| process.parent == me).collect()
}

/// The state of a process, if it is there: `Z` is a zombie.
pub fn state_of(pid: u32) -> Option<char> {
    stat(pid).map(|stat| stat.state)
}

/// True if a process runs, or could.
pub fn is_alive(pid: u32) -> bool {
    !matches!(state_of(pid), None | Some('Z' | 'X'))
}

/// Where each thread of a process stands in the kernel.
pub fn wchans(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .map(|task| {
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            format!("  {} in {}\n", read("comm").trim(), read("wchan").trim())
        })
        .collect()
}

static LOGGED: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

struct Keep;

impl log::Log for Keep {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("policy")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("[{}] {}", record.level(), record.args());
            LOGGED.lock().unwrap().push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

pub fn keep_logs() {
    log::set_logger(&Keep).unwrap();
    log::set_max_level(log::LevelFilter::Info);
}

/// What was logged and contains `part`.
pub fn logged(part: &str) -> Vec<String> {
    let logged = LOGGED.lock().unwrap();
    logged.iter().map(|(_, line)| line).filter(|line| line.contains(part)).cloned().collect()
}
