//! What tests of whole programs share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses a part, and a test that fails panics"
)]

pub mod ignored;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a loaded machine: a guard against hanging.
pub const LONG: Duration = Duration::from_secs(120);

/// Returns the path of an example, built as this test was: cargo builds them for
/// `cargo test`, yet not for `cargo test --test …`, and what lies there may be old.
pub fn example(name: &str) -> PathBuf {
    examples(&[name]).join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// As `example`, for several at once; returns the folder that they are in.
pub fn examples(names: &[&str]) -> PathBuf {
    // target/debug/deps/fanout-0123 → target/debug
    let deps = env::current_exe().unwrap();
    let profile = deps.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet"]);
    cargo.args(names.iter().flat_map(|name| ["--example", name]));
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // With the very arguments of the test command, so that nothing is built again.
    let on: Vec<_> = FEATURES.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    if on.len() == FEATURES.len() {
        cargo.args(["--workspace", "--all-features"]);
    } else {
        cargo.args(["-p", "event-loop-policy", "--no-default-features", "--features"]);
        cargo.arg(on.join(","));
    }
    let built = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{names:?} do not build:\n{said}");
    profile.join("examples")
}

const FEATURES: [(&str, bool); 10] = [
    ("default-loop", cfg!(feature = "default-loop")),
    ("macros", cfg!(feature = "macros")),
    ("tokio", cfg!(feature = "tokio")),
    ("smol", cfg!(feature = "smol")),
    ("async-std", cfg!(feature = "async-std")),
    ("compio", cfg!(feature = "compio")),
    ("async-process", cfg!(feature = "async-process")),
    ("tokio-io", cfg!(feature = "tokio-io")),
    ("hyper", cfg!(feature = "hyper")),
    ("io-util", cfg!(feature = "io-util")),
];

/// A folder of this test's own, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME")).join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => fs::create_dir_all(&folder).unwrap(),
    }
    folder
}

/// What a run gave to a user.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    /// Runs a program, which writes to pipes and must end some time.
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::wait(command.spawn().unwrap())
    }

    /// As `of`, with something on its standard input.
    #[track_caller]
    pub fn with_input(command: &mut Command, input: impl Into<Vec<u8>>) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
        let writing = thread::spawn(move || {
            // It may have ended without reading it.
            let _ended = stdin.write_all(&input);
        });
        let ran = Self::wait(child);
        writing.join().unwrap();
        ran
    }

    /// Waits for a program that was started.
    #[track_caller]
    pub fn wait(child: Child) -> Self {
        let pid = child.id();
        let (send, ended) = mpsc::channel();
        thread::spawn(move || send.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(LONG) else {
            signal(pid, "KILL");
            panic!("it hangs");
        };
        let Output { status, stdout, stderr } = output.unwrap();
        Self { code: status.code(), out: stdout, err: String::from_utf8(stderr).unwrap() }
    }

    /// What was printed, as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Checks the exit code, and returns what was printed.
    #[track_caller]
    pub fn code(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "after saying:\n{}", self.err);
        self.text()
    }

    /// Checks that all went well without a word, and returns what was printed.
    #[track_caller]
    pub fn printed(&self) -> &str {
        assert_eq!(self.err, "", "after printing:\n{}", String::from_utf8_lossy(&self.out));
        self.code(0)
    }
}

/// Sends a signal by its name.
#[track_caller]
pub fn signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(kill.unwrap().success(), "can't send {name}");
}

/// Waits until something is true; fails if that takes very long.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < LONG, "not yet: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
