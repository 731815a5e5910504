//! The program `quickstart`, run as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod built;
#[path = "../../../tests/support/ran.rs"]
mod ran;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
#[cfg(target_os = "linux")]
use std::{thread, time::Duration, time::Instant};

use ran::Ran;

impl Ran {
    /// Checks that it was refused in one line, and returns that.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "after saying:\n{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "one line, not:\n{}", self.err);
        assert!(self.err.starts_with("quickstart: "), "{}", self.err);
        self.err
    }
}

/// The program, with arguments.
fn quickstart<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(built::example("quickstart"));
    command.args(args).stdin(Stdio::null());
    command
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => fs::create_dir_all(&folder).unwrap(),
    }
    folder
}

/// A folder with two Rust files of 5 lines together, a shell script of 2, and what
/// is not counted.
fn sources(name: &str) -> PathBuf {
    let folder = folder(name);
    for (path, text) in [
        ("a.rs", "one\ntwo\nthree without an end"),
        ("deep/er/b.rs", "one\n\n"),
        ("run.sh", "one\ntwo\n"),
        ("empty.py", ""),
        ("target/not.rs", "no\n"),
        (".git/not.rs", "no\n"),
        ("unknown.xyz", "no\n"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The words of the line that begins with `label`.
#[track_caller]
fn row<'a>(printed: &'a str, label: &str) -> Vec<&'a str> {
    let mut lines = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|words| words.first() == Some(&label)).unwrap_or_else(|| {
        panic!("no line begins with {label:?} in:\n{printed}");
    })
}

#[test]
fn quickstart_without_arguments_works_on_this_project() {
    let printed = Ran::of(&mut quickstart([""; 0])).printed();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    assert!(printed.starts_with(project.to_str().unwrap()), "{printed}");
    assert!(row(&printed, "Rust")[1].parse::<u64>().unwrap() >= 20, "{printed}");
    assert!(printed.contains("  rustc 1."), "{printed}");
    assert!(printed.contains("  cargo 1."), "{printed}");
}

#[test]
fn quickstart_does_the_same_on_every_loop() {
    let printed = Ran::of(&mut quickstart([sources("every-loop")])).printed();
    for name in policy::policy_names() {
        assert_eq!(row(&printed, name)[..3], [name, "4", "7"], "on {name}:\n{printed}");
    }
}

#[test]
fn quickstart_draws_each_loop_on_at_least_four_executors() {
    let printed = Ran::of(&mut quickstart([sources("picture")])).printed();
    for name in ["default", "smol:multi_thread", "tokio:current_thread", "async-std"] {
        let bars =
            printed.lines().filter(|line| line.starts_with(name) && line.contains(['█', '▏']));
        assert!(bars.count() >= 1, "no bar for {name}:\n{printed}");
    }
    assert!(printed.contains("worst tick"), "{printed}");
}

#[test]
fn quickstart_counts_lines_files_and_languages() {
    let printed = Ran::of(quickstart(["--loop", "default"]).arg(sources("counts"))).printed();
    assert_eq!(row(&printed, "Rust"), ["Rust", "2", "5"]);
    assert_eq!(row(&printed, "Shell"), ["Shell", "1", "2"]);
    assert_eq!(row(&printed, "Python"), ["Python", "1", "0"]);
    assert_eq!(row(&printed, "total"), ["total", "4", "7"]);
}

#[test]
fn quickstart_runs_on_the_loop_that_is_asked_for() {
    let folder = sources("one-loop");
    for name in policy::policy_names() {
        let printed = Ran::of(quickstart(["--loop", name]).arg(&folder)).printed();
        assert_eq!(row(&printed, "total"), ["total", "4", "7"], "on {name}");
        // The loop says its own name, which proves that the policy was swapped.
        let expected = if name == "default" { "selector" } else { name };
        assert!(printed.contains(&format!("on the loop {expected}: ")), "{name}:\n{printed}");
        assert!(!printed.contains("every loop"), "{printed}");
    }
}

#[test]
fn quickstart_asks_git_where_there_is_a_repository() {
    let folder = folder("repository");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.org"]).args(args);
        git.current_dir(&folder).output()
    };
    if git(&["init", "--quiet"]).is_err() {
        eprintln!("skipped: there is no git here");
        return;
    }
    git(&["commit", "--quiet", "--allow-empty", "-m", "A \u{1b}[31msubject"]).unwrap();
    let printed = Ran::of(quickstart(["--loop=default"]).arg(&folder)).printed();
    let line = printed.lines().find(|line| line.starts_with("git log -1")).expect(&printed);
    assert!(line.ends_with("A [31msubject"), "without the escape: {line:?}");
}

#[test]
fn quickstart_refuses_a_folder_that_can_not_be_read() {
    let file = sources("bad-folder").join("a.rs");
    for path in [Path::new("/no/such/folder"), Path::new(""), &file] {
        let line = Ran::of(&mut quickstart([path])).refused();
        assert!(line.contains("can't read the folder"), "{line}");
        assert!(line.contains(path.to_str().unwrap()), "{line}");
    }
}

#[test]
fn quickstart_refuses_an_unknown_loop_and_lists_the_known() {
    let line = Ran::of(&mut quickstart(["--loop", "twisted"])).refused();
    assert!(line.contains("\"twisted\""), "{line}");
    for name in policy::policy_names() {
        assert!(line.contains(name), "{line}");
    }
}

#[test]
fn quickstart_refuses_arguments_that_mean_nothing() {
    for (args, said) in [
        (["--loop"].as_slice(), "--loop needs a name"),
        (&["--lop", "tokio"], "no option \"--lop\""),
        (&[".", ".."], "one folder at a time"),
        (&["--", "-x", "y"], "one folder at a time"),
    ] {
        let line = Ran::of(&mut quickstart(args)).refused();
        assert!(line.contains(said), "{args:?}: {line}");
    }
    for name in ["tokio:multi_thread:0", "tokio:current_thread:2", "tokio:"] {
        Ran::of(&mut quickstart(["--loop", name])).refused();
    }
}

#[test]
fn quickstart_tells_its_usage() {
    let printed = Ran::of(&mut quickstart(["--help"])).printed();
    assert!(printed.contains("Usage: quickstart [--loop NAME] [FOLDER]"), "{printed}");
}

#[test]
fn quickstart_says_which_programs_it_can_not_start() {
    let nothing = folder("no-programs");
    for name in policy::policy_names() {
        let mut command = quickstart(["--loop", name]);
        let line = Ran::of(command.arg(sources("no-programs-sources")).env("PATH", &nothing));
        let line = line.refused();
        assert!(line.contains("can't start `rustc`"), "on {name}: {line}");
        assert!(line.contains(", `cargo`"), "on {name}: {line}");
    }
}

#[cfg(unix)]
#[test]
fn quickstart_shows_what_a_child_that_fails_said() {
    let programs = programs("failing", "echo it broke >&2; exit 3");
    let mut command = quickstart(["--loop", "default"]);
    let ran = Ran::of(command.arg(sources("failing-sources")).env("PATH", &programs));
    let printed = ran.printed();
    assert!(printed.contains("exit status: 3: it broke"), "{printed}");
}

/// A child that never answers used to be left behind when the time was over.
#[cfg(target_os = "linux")]
#[test]
fn quickstart_waits_for_a_child_only_so_long_and_ends_it() {
    let pids = folder("hanging-pids");
    let script = format!("echo > {}/$$; exec /bin/sleep 1000", pids.display());
    let programs = programs("hanging", &script);
    let mut command = quickstart(["--loop", "default"]);
    let ran = Ran::of(command.arg(sources("hanging-sources")).env("PATH", &programs));
    assert!(ran.printed().contains("no answer in 10s"));
    let pids: Vec<_> = fs::read_dir(pids).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(pids.len() >= 2, "the children have run");
    for pid in pids {
        // It was killed, which takes effect when it is scheduled: on a busy machine
        // after `quickstart` has ended.
        let end = Instant::now() + Duration::from_secs(60);
        while is_alive(Path::new(&pid)) {
            assert!(Instant::now() < end, "a child was left behind");
            thread::yield_now();
        }
    }
}

#[cfg(target_os = "linux")]
fn is_alive(pid: &Path) -> bool {
    // A zombie is one whose new parent is slow.
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// A folder with a `rustc`, a `cargo` and a `git` that are this script.
#[cfg(unix)]
fn programs(name: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder(name);
    for program in ["rustc", "cargo", "git"] {
        let path = folder.join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn quickstart_ends_quietly_when_its_reader_goes_away() {
    for lines in [0, 1] {
        let mut command = quickstart([sources("reader")]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..lines {
            assert_ne!(reader.read_line(&mut String::new()).unwrap(), 0);
        }
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn quickstart_says_when_it_can_not_write() {
    let mut command = quickstart([sources("full")]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let line = Ran::of(command.stdout(full)).refused();
    assert!(line.contains("can't write to standard output"), "{line}");
}
