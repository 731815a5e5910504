//! The program `fanout`, run as a user runs it.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::ignored::is_ignored;
use support::{Ran, eventually, folder, signal};

const WATCHERS: [&str; 6] = ["auto", "pidfd", "threaded", "multi-loop", "safe", "fast"];

/// The program with arguments, without input.
fn fanout<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(|| support::example("fanout")));
    command.args(args).stdin(Stdio::null());
    command
}

/// As `fanout`, where each job runs a shell script: `$1` is its input, `$0` a path.
fn script(options: &[&str], script: &str, path: &Path, inputs: &[&str]) -> Command {
    let mut command = fanout(options);
    command.args(["sh", "-c", script]).arg(path).args(["{}", ":::"]).args(inputs);
    command
}

fn numbers(last: u32) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}

/// The job log, in columns.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let log = fs::read_to_string(path).unwrap();
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("Seq\tStarttime\tJobRuntime\tExitval\tSignal\tCommand"));
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = lines.map(columns).collect();
    assert!(rows.iter().all(|row| row.len() == 6), "{log}");
    rows
}

/// The exit value and the signal of a job in the job log.
#[track_caller]
fn end_of(seq: u32, path: &Path) -> [String; 2] {
    let rows = rows(path);
    let row = rows.iter().find(|row| row[0] == seq.to_string()).expect("it is in the log");
    [row[3].clone(), row[4].clone()]
}

/// A number of seconds for `sleep` that nobody else has: by it a process is found.
fn unique_sleep(number: u32) -> String {
    format!("1000.{}{number:02}", std::process::id())
}

/// Returns the processes that have `word` as an argument, and live.
#[cfg(target_os = "linux")]
fn processes_with(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if line.split(|&byte| byte == 0).any(|arg| arg == word.as_bytes()) {
            found.push(process.file_name().into_string().unwrap());
        }
    }
    found
}

/// Elsewhere by the tool that all have.
#[cfg(not(target_os = "linux"))]
fn processes_with(word: &str) -> Vec<String> {
    let ps = Command::new("ps").args(["-axo", "args"]).output().unwrap();
    let lines = String::from_utf8_lossy(&ps.stdout).into_owned();
    lines.lines().filter(|line| line.split(' ').any(|arg| arg == word)).map(str::to_owned).collect()
}

/// Starts it with pipes, once the program is built.
fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn two_thousand_jobs_all_run_and_print() {
    let log = folder("two-thousand").join("log");
    let mut command = fanout(["-j", "16", "--joblog"]);
    let ran = Ran::with_input(command.arg(&log).args(["echo", "job"]), numbers(2000));
    let printed: BTreeSet<&str> = ran.printed().lines().collect();
    let expected: Vec<String> = (1..=2000).map(|number| format!("job {number}")).collect();
    assert_eq!(ran.text().lines().count(), 2000);
    assert_eq!(printed, expected.iter().map(String::as_str).collect());
    let rows = rows(&log);
    let jobs: BTreeSet<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!((rows.len(), jobs), (2000, (1..=2000).collect()));
    assert!(
        rows.iter().all(|row| row[3..5] == ["0", "0"] && row[5] == format!("echo job {}", row[0]))
    );
}

#[test]
fn a_small_batch_runs_on_every_loop() {
    for name in policy::policy_names() {
        let args =
            ["--loop", name, "-j", "4", "--keep-order", "sh", "-c", "echo $1; exit $1", "sh"];
        let ran = Ran::with_input(&mut fanout(args), "0\n1\n0\n2\n0\n3\n");
        assert_eq!(ran.code(3), "0\n1\n0\n2\n0\n3\n", "on {name}");
    }
}

#[test]
fn a_small_batch_runs_with_every_watcher() {
    for name in policy::policy_names() {
        for watcher in WATCHERS {
            let args = ["--loop", name, "--watcher", watcher, "-j", "4", "--keep-order", "echo"];
            let ran = Ran::with_input(&mut fanout(args), numbers(20));
            assert_eq!(ran.printed(), numbers(20), "on {name} with {watcher}");
        }
    }
}

#[test]
fn inputs_take_the_places_in_the_command() {
    for (command, expected) in [
        (["echo", "a", "b"].as_slice(), "a b x {}\n"),
        (&["echo", "{}", "b"], "x {} b\n"),
        (&["echo", "<{}>", "--{}", "{}{}"], "<x {}> --x {} x {}x {}\n"),
        (&["sh", "-c", "printf '%s|' \"$@\"; echo", "--", "-n"], "-n|x {}|\n"),
    ] {
        // One argument, and what it holds is not looked at again.
        let ran = Ran::of(fanout(command).args([":::", "x {}"]));
        assert_eq!(ran.printed(), expected, "{command:?}");
    }
    let ran = Ran::of(&mut fanout(["{}", "it", ":::", "echo", "printf"]));
    assert_eq!(ran.printed().len(), "it\nit".len());
}

#[test]
fn lines_of_standard_input_are_inputs() {
    for (input, expected) in [
        ("a b\nc\n", "<a b><c>"),
        ("the last has no end\nhere", "<the last has no end><here>"),
        ("\n\n", "<><>"),
        ("", ""),
    ] {
        let ran = Ran::with_input(&mut fanout(["-j1", "printf", "<%s>", "{}"]), input);
        assert_eq!(ran.printed(), expected, "{input:?}");
    }
    let ran = Ran::with_input(&mut fanout(["-0", "-j1", "printf", "<%s>", "{}"]), "a\nb\0c\0");
    assert_eq!(ran.printed(), "<a\nb><c>");
    let ran = Ran::with_input(&mut fanout(["printf", "%s"]), b"not \xff text".as_slice());
    assert_eq!((ran.code, ran.out.as_slice()), (Some(0), b"not \xff text".as_slice()));
}

#[test]
fn no_input_is_no_job() {
    assert_eq!(Ran::of(&mut fanout(["false"])).printed(), "");
    assert_eq!(Ran::of(&mut fanout(["false", ":::"])).printed(), "");
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$0\" false <&-"]).arg(fanout([""; 0]).get_program());
    assert_eq!(Ran::of(&mut closed).printed(), "");
}

#[test]
fn jobs_have_no_standard_input() {
    let ran = Ran::with_input(&mut fanout(["-j1", "sh", "-c", "cat; echo $1", "sh"]), "a\nb\n");
    assert_eq!(ran.printed(), "a\nb\n");
}

#[test]
fn a_job_starts_as_soon_as_its_line_is_there() {
    let mut child = start(fanout(["echo"]).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for line in ["first\n", "second\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        assert_eq!(printed, line);
    }
    drop(stdin);
    assert_eq!(Ran::wait(child).printed(), "");
}

/// The first waits for the last.
const LAST_FIRST: &str = "
    [ $1 != 1 ] || until [ -e $0/go ]; do sleep 0.02; done
    [ $1 != 3 ] || touch $0/go
    echo $1";

#[test]
fn the_order_is_that_in_which_jobs_end() {
    let folder = folder("unordered");
    let log = folder.join("log");
    let options = ["-j2", "--joblog", log.to_str().unwrap()];
    // What is in the log has ended.
    let waits = "[ $1 != 1 ] || until grep -q ^2 $0/log; do sleep 0.02; done; echo $1";
    let ran = Ran::of(&mut script(&options, waits, &folder, &["1", "2"]));
    assert_eq!(ran.printed(), "2\n1\n");
}

#[test]
fn the_order_of_the_inputs_is_kept_if_so_asked() {
    let folder = folder("ordered");
    let ran = Ran::of(&mut script(&["-j3", "--keep-order"], LAST_FIRST, &folder, &["1", "2", "3"]));
    assert_eq!(ran.printed(), "1\n2\n3\n");
}

/// A megabyte each, so that they don't wait in memory.
#[test]
fn large_outputs_wait_for_their_turn() {
    let folder = folder("large-ordered");
    let writes = format!("{LAST_FIRST} | sed p; head -c 1000000 /dev/zero | tr '\\0' $1; echo");
    let ran = Ran::of(&mut script(&["-j3", "-k"], &writes, &folder, &["1", "2", "3"]));
    let expected = ["1", "2", "3"].map(|n| format!("{n}\n{n}\n{}\n", n.repeat(1_000_000)));
    assert!(ran.printed() == expected.concat(), "{} bytes", ran.out.len());
}

#[test]
fn outputs_are_not_interleaved() {
    // All write at the same time: each waits for the others between two lines.
    let writes = "
        touch $0/$1
        until [ $(ls $0 | wc -l) = 4 ]; do sleep 0.02; done
        for i in $(seq 100); do echo $1; [ $((i % 20)) != 0 ] || sleep 0.01; done";
    let ran = Ran::of(&mut script(&["-j4"], writes, &folder("whole"), &["1", "2", "3", "4"]));
    let mut seen: Vec<&str> = ran.printed().lines().collect();
    assert_eq!(seen.len(), 400);
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn standard_error_is_not_standard_output() {
    let ran =
        Ran::of(&mut fanout(["-j1", "sh", "-c", "echo $1; echo $1 >&2", "sh", ":::", "a", "b"]));
    assert_eq!((ran.code(0), ran.err.as_str()), ("a\nb\n", "a\nb\n"));
}

/// 16 bytes in each line, so that 50 MiB are a whole number of them.
#[test]
fn a_flood_of_50_mb_arrives_whole_and_needs_no_memory() {
    const LINES: usize = 50 << 16;
    let flood = format!(
        "seq -f %015.0f {LINES}
        [ ! -e /proc/$PPID/status ] || grep VmHWM /proc/$PPID/status >&2"
    );
    for name in policy::policy_names() {
        let ran = Ran::of(&mut script(&["--loop", name], &flood, Path::new("sh"), &["1"]));
        ran.code(0);
        assert_eq!(ran.out.len(), 50 << 20, "on {name}");
        for (at, line) in ran.out.chunks(16).enumerate() {
            assert!(line == format!("{:015}\n", at + 1).as_bytes(), "line {at} on {name}");
        }
        if let Some(most) = ran.err.split_whitespace().nth(1) {
            assert!(most.parse::<u32>().unwrap() < 40 * 1024, "{most} KiB of memory on {name}");
        }
    }
}

#[test]
fn as_many_jobs_run_at_a_time_as_asked_for() {
    let folder = folder("at-a-time");
    // The first three go on only when they are three.
    let script_of = "
        touch $0/$1
        [ $1 -gt 3 ] || until [ -e $0/go ]; do
            [ $(ls $0 | wc -l) -lt 3 ] || touch $0/go
            sleep 0.01
        done
        ls $0 | grep -cv go
        rm $0/$1";
    let inputs: Vec<String> = (1..=30).map(|number| number.to_string()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let ran = Ran::of(&mut script(&["-j", "3"], script_of, &folder, &inputs));
    let at_once: Vec<u32> = ran.printed().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((at_once.len(), at_once.iter().max()), (30, Some(&3)), "{at_once:?}");
}

#[test]
fn the_job_log_tells_how_each_job_ended() {
    let log = folder("log").join("log");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let ends = "case $1 in ok) sleep 0.1;; three) exit 3;; killed) kill -9 $$;; esac";
    let options = ["-j1", "--joblog", log.to_str().unwrap()];
    let ran = Ran::of(&mut script(&options, ends, Path::new("sh"), &["ok", "three", "killed"]));
    ran.code(2);
    let rows = rows(&log);
    let ended: Vec<_> = rows.iter().map(|row| [0, 3, 4].map(|at| row[at].as_str())).collect();
    assert_eq!(ended, [["1", "0", "0"], ["2", "3", "0"], ["3", "137", "9"]]);
    assert!(rows[1][5].starts_with("sh -c 'case $1 in"), "{}", rows[1][5]);
    assert!(rows[1][5].ends_with(" sh three"), "{}", rows[1][5]);
    let started: Vec<f64> = rows.iter().map(|row| row[1].parse().unwrap()).collect();
    assert!(started.is_sorted() && started[0] > before - 1.0, "{started:?}");
    assert!(rows[0][2].parse::<f64>().unwrap() >= 0.1, "{}", rows[0][2]);
    for said in ["job 2 failed (exit status: 3): sh ", "job 3 failed (signal: 9 (SIGKILL)): sh "] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn a_command_in_the_job_log_is_one_line_that_a_shell_takes() {
    let log = folder("quoted").join("log");
    let inputs = ["it's", "a\tb\nc", "$HOME \\ \u{1b}[31m", "déjà"];
    let mut command = fanout(["-j1", "--joblog"]);
    command.arg(&log).args(["printf", "%s|", "{}", ":::"]).args(inputs);
    let raw = OsStr::from_bytes(b"\xff1");
    let printed = Ran::of(command.arg(raw)).out;
    if Command::new("bash").arg("-c").arg("").output().is_err() {
        println!("skipped: there is no bash to read it");
        return;
    }
    let lines: String = rows(&log).iter().map(|row| row[5].clone() + "\n").collect();
    let again = Command::new("bash").arg("-c").arg(lines).output().unwrap();
    assert_eq!(again.stdout, printed);
}

#[test]
fn the_job_log_is_written_while_jobs_run() {
    let folder = folder("early-log");
    let (log, go) = (folder.join("log"), folder.join("go"));
    let waits = "[ $1 != 2 ] || until [ -e $0 ]; do sleep 0.02; done";
    let options = ["-j2", "--joblog", log.to_str().unwrap()];
    let child = start(&mut script(&options, waits, &go, &["1", "2"]));
    eventually("the first is logged", || log.exists() && !log_of(&log).is_empty());
    assert_eq!(log_of(&log).len(), 1);
    File::create(go).unwrap();
    Ran::wait(child).printed();
    assert_eq!(log_of(&log).len(), 2);
}

/// Lines of a job log that may be only just begun.
fn log_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_job_that_can_not_be_started_failed() {
    let log = folder("not-started").join("log");
    let mut command = fanout(["-k", "--joblog"]);
    let ran =
        Ran::of(command.arg(&log).args(["{}", "said", ":::", "echo", "/no/such/program", "/"]));
    assert_eq!(ran.code(2), "said\n");
    let expected = "job 2 failed (can't start `/no/such/program`: no such program; check the name and PATH): /no/such/program said";
    assert!(ran.err.lines().any(|line| line == format!("fanout: {expected}")), "{}", ran.err);
    assert_eq!([1, 2, 3].map(|seq| end_of(seq, &log)[0].clone()), ["0", "127", "127"]);
}

#[test]
fn an_input_that_no_argument_can_hold_fails_its_job_alone() {
    // Linux takes 128 KiB in one argument.
    let long = "x".repeat(3 << 20);
    let ran = Ran::with_input(
        &mut fanout(["-k", "sh", "-c", "echo ${#1}", "sh"]),
        format!("a\n{long}\nb\n"),
    );
    assert_eq!(ran.code(1), "1\n1\n");
    assert!(ran.err.contains("too long"), "{}", ran.err.chars().take(200).collect::<String>());
}

#[test]
fn the_exit_code_counts_the_jobs_that_failed_up_to_101() {
    for (inputs, code) in [(3, 3), (100, 100), (101, 101), (130, 101)] {
        let ran = Ran::with_input(&mut fanout(["-j8", "false"]), numbers(inputs));
        assert_eq!(ran.code(code), "");
        assert_eq!(ran.err.lines().count(), inputs as usize);
    }
}

#[test]
fn a_job_that_takes_too_long_is_ended() {
    let (log, nap) = (folder("timeout").join("log"), unique_sleep(1));
    let mut command = fanout(["-j2", "--timeout", "300ms", "--joblog"]);
    // In the background, too: what a job started goes with it.
    command.arg(&log).args([
        "sh",
        "-c",
        "[ $1 = 0 ] || sleep $1 & sleep $1",
        "sh",
        ":::",
        "0",
        &nap,
    ]);
    let ran = Ran::of(&mut command);
    ran.code(1);
    assert!(ran.err.contains("job 2 failed (timed out, signal: 15 (SIGTERM))"), "{}", ran.err);
    assert_eq!(end_of(1, &log), ["0", "0"]);
    assert_eq!(end_of(2, &log), ["124", "15"]);
    eventually("what it started is gone", || processes_with(&nap).is_empty());
}

#[test]
fn a_limit_that_no_clock_can_hold_is_none() {
    let ran = Ran::of(&mut fanout([
        "--timeout",
        "100000000000d",
        "--grace",
        "9000000000000d",
        "echo",
        ":::",
        "a",
    ]));
    assert_eq!(ran.printed(), "a\n");
}

#[test]
fn what_a_job_wrote_before_it_was_ended_is_printed() {
    let folder = folder("partial");
    let writes = "echo before; touch $0/written; sleep $1";
    let nap = unique_sleep(2);
    let child = start(&mut script(&[], writes, &folder, &[&nap]));
    eventually("it has written", || folder.join("written").exists());
    signal(child.id(), "INT");
    assert_eq!(Ran::wait(child).code(130), "before\n");
}

#[test]
fn a_job_that_ignores_sigterm_is_killed_after_the_grace() {
    for name in policy::policy_names() {
        let (folder, nap) = (folder("stubborn"), unique_sleep(3));
        let log = folder.join("log");
        let stubborn = "trap '' TERM; touch $0/ready; sleep $1; sleep $1";
        let options = ["--loop", name, "--grace", "0.4s", "--joblog", log.to_str().unwrap()];
        let child = start(&mut script(&options, stubborn, &folder, &[&nap]));
        eventually("it is deaf", || folder.join("ready").exists());
        let begun = Instant::now();
        signal(child.id(), "INT");
        Ran::wait(child).code(130);
        assert!(begun.elapsed() >= Duration::from_millis(400), "not before the grace is over");
        assert_eq!(end_of(1, &log), ["137", "9"], "on {name}");
        eventually("what it started is gone", || processes_with(&nap).is_empty());
    }
}

#[test]
fn a_job_that_failed_is_tried_again() {
    for (retries, code, printed) in [("0", 1, "try 1\n"), ("1", 1, "try 2\n"), ("5", 0, "try 3\n")]
    {
        let folder = folder("retries");
        let log = folder.join("log");
        let third = "echo x >> $0/tries; n=$(wc -l < $0/tries); echo try $n; [ $n -eq 3 ]";
        let options = ["--retries", retries, "--joblog", log.to_str().unwrap()];
        let ran = Ran::of(&mut script(&options, third, &folder, &["a"]));
        // Only that of the last try: a reader must not get a part twice.
        assert_eq!(ran.code(code), printed);
        assert_eq!(end_of(1, &log)[0], code.to_string());
        assert_eq!(rows(&log).len(), 1);
    }
}

#[test]
fn a_failure_halts_everything_if_so_asked() {
    let (folder, nap) = (folder("halt"), unique_sleep(4));
    let log = folder.join("log");
    let fails = "
        [ $1 = fails ] || { touch $0/ready; exec sleep $1; }
        until [ -e $0/ready ]; do sleep 0.02; done
        exit 7";
    let options = ["-j2", "--halt-on-error", "--joblog", log.to_str().unwrap()];
    let ran = Ran::of(&mut script(&options, fails, &folder, &[&nap, "fails", "third", "fourth"]));
    ran.code(1);
    assert_eq!(end_of(1, &log), ["143", "15"]);
    assert_eq!(end_of(2, &log), ["7", "0"]);
    assert_eq!(rows(&log).len(), 2, "no other was started");
    assert!(ran.err.contains("fanout: halted: 1 job stopped, 2 not run\n"), "{}", ran.err);
    assert!(
        ran.err
            .lines()
            .any(|line| line.starts_with("fanout: not run: ") && line.ends_with(" third"))
    );
    eventually("the other is gone", || processes_with(&nap).is_empty());
}

#[test]
fn signals_stop_the_whole_tree_and_what_was_not_run_is_said() {
    for (number, name) in (10..).zip(["INT", "TERM", "HUP", "QUIT"]) {
        if is_ignored(name) {
            continue;
        }
        let (folder, nap) = (folder("interrupted"), unique_sleep(number));
        // A job with a child of its own, and one of that.
        let tree = "sh -c \"touch $0/$1; sleep $1 & sleep $1; true\"; true";
        let mut command = fanout(["-j1", "sh", "-c", tree]);
        let child = start(command.arg(&folder).args(["{}", ":::", &nap, "second", "the third"]));
        eventually("the tree is there", || processes_with(&nap).len() >= 4);
        signal(child.id(), name);
        let ran = Ran::wait(child);
        ran.code(130);
        assert!(ran.err.contains("fanout: interrupted: 1 job stopped, 2 not run\n"), "{}", ran.err);
        let not_run: Vec<_> =
            ran.err.lines().filter(|line| line.starts_with("fanout: not run: ")).collect();
        assert!(not_run.len() == 2 && not_run[0].ends_with(" second"), "{}", ran.err);
        assert!(not_run[1].ends_with(" 'the third'"), "{}", ran.err);
        eventually("the tree is gone", || processes_with(&nap).is_empty());
        assert!(!folder.join("second").exists());
    }
}

#[test]
fn a_signal_stops_the_tree_on_every_loop_with_every_watcher() {
    if is_ignored("INT") {
        return;
    }
    for name in policy::policy_names() {
        for watcher in WATCHERS {
            let nap = unique_sleep(20);
            let tree = "sleep $1 & sleep $1; true";
            let args = ["--loop", name, "--watcher", watcher, "-j2", "sh", "-c", tree, "sh", ":::"];
            let child = start(fanout(args).args([&nap, &nap, "third"]));
            eventually("the tree is there", || processes_with(&nap).len() >= 6);
            signal(child.id(), "INT");
            let ran = Ran::wait(child);
            assert_eq!((ran.code, ran.text()), (Some(130), ""), "on {name} with {watcher}");
            eventually("the tree is gone", || processes_with(&nap).is_empty());
        }
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_grace() {
    let (folder, nap) = (folder("twice"), unique_sleep(5));
    let stubborn = "trap '' TERM; touch $0/ready; sleep $1";
    let mut child = start(&mut script(&["--grace", "1h"], stubborn, &folder, &[&nap]));
    eventually("it is deaf", || folder.join("ready").exists());
    let pid = child.id();
    signal(pid, "INT");
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert_eq!(said, "fanout: stopping 1 job; interrupt again to kill at once\n");
    // As a person would who has read that.
    thread::sleep(Duration::from_millis(150));
    signal(pid, "INT");
    Ran::wait(child).code(130);
    eventually("it is gone", || processes_with(&nap).is_empty());
}

#[test]
fn a_signal_ends_the_wait_for_inputs() {
    let mut child = start(fanout(["echo"]).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    signal(child.id(), "INT");
    let ran = Ran::wait(child);
    ran.code(130);
    assert!(ran.err.contains("0 not run, and the rest of the input not read"), "{}", ran.err);
    drop(stdin);
}

#[test]
fn nohup_is_respected() {
    let folder = folder("nohup");
    let waits = "touch $0/ready; until [ -e $0/go ]; do sleep 0.02; done; echo $1";
    let jobs = script(&[], waits, &folder, &["done"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(jobs.get_program())
        .args(jobs.get_args());
    let child = start(command.stdin(Stdio::null()));
    eventually("it runs", || folder.join("ready").exists());
    signal(child.id(), "HUP");
    File::create(folder.join("go")).unwrap();
    assert_eq!(Ran::wait(child).printed(), "done\n");
}

#[test]
fn it_ends_quietly_when_its_reader_goes_away() {
    for name in policy::policy_names() {
        let (folder, nap) = (folder("reader"), unique_sleep(6));
        // One that would go on for ever, and many that write.
        let writes = "[ $1 != 1 ] || { touch $0/ready; sleep $2; }; until [ -e $0/ready ]; do sleep 0.02; done; echo $1";
        let mut command = fanout(["--loop", name, "-j2", "sh", "-c", writes]);
        command.arg(&folder).args(["{}", &nap]).stdin(Stdio::piped());
        let mut child = start(&mut command);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"1\n").unwrap();
        let writing = thread::spawn(move || while stdin.write_all(b"2\n").is_ok() {});
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        eventually("it runs", || folder.join("ready").exists());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        let ran = Ran::wait(child);
        assert_eq!((ran.code, ran.err.as_str()), (Some(141), ""), "on {name}");
        writing.join().unwrap();
        eventually("the one that runs is gone", || processes_with(&nap).is_empty());
    }
}

/// As a pager that waits for a key, while its user waits for nothing.
#[test]
fn a_reader_that_does_not_read_keeps_nobody() {
    for name in policy::policy_names() {
        let (folder, nap) = (folder("pager"), unique_sleep(8));
        let writes =
            "[ $1 != 1 ] || exec head -c 1000000 /dev/zero; touch $0/sleeps; exec sleep $1";
        let options = ["--loop", name, "-j2", "--timeout", "2s"];
        let mut child = start(&mut script(&options, writes, &folder, &["1", &nap]));
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
        // It prints, and nobody reads on: limits hold all the same.
        assert_eq!(stdout.fill_buf().unwrap(), b"\0");
        eventually("the other runs", || folder.join("sleeps").exists());
        eventually("only the program has the word", || processes_with(&nap).len() == 1);
        signal(child.id(), "INT");
        Ran::wait(child).code(130);
        drop(stdout);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn jobs_inherit_no_descriptor() {
    // At most what this test was given itself, which std passes on, and `fanout` need not.
    let (list, log) = ("echo $(ls /proc/self/fd)", folder("descriptors").join("log"));
    let usual = Ran::of(Command::new("sh").args(["-c", list]).stdin(Stdio::null()));
    let usual: Vec<_> = usual.printed().split_whitespace().collect();
    let mut command = fanout(["-j8", "--joblog"]);
    let ran = Ran::with_input(command.arg(log).args(["sh", "-c", list]), numbers(40));
    let printed = ran.printed();
    assert_eq!(printed.lines().count(), 40);
    for job in printed.lines() {
        assert!(job.starts_with("0 1 2 "), "{job}");
        assert!(job.split(' ').all(|fd| usual.contains(&fd)), "{job} and not {usual:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn it_says_when_it_can_not_write() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let child = fanout(["echo", ":::", "a"]).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let ran = Ran::wait(child);
    ran.code(255);
    assert!(ran.err.starts_with("fanout: can't print the output: No space left"), "{}", ran.err);

    let ran = Ran::of(&mut fanout(["--joblog", "/dev/full", "echo", ":::", "a"]));
    assert_eq!(ran.code(2), "");
    assert!(ran.err.starts_with("fanout: can't write `/dev/full`: No space left"), "{}", ran.err);
}

/// A part of an output must not pass for the whole.
#[test]
fn a_job_whose_output_can_not_be_kept_failed() {
    let mut command = fanout(["-j1", "sh", "-c", "head -c 1000000 /dev/zero; echo", "sh"]);
    command.env("TMPDIR", "/no/such/folder").args([":::", "a"]);
    let ran = Ran::of(&mut command);
    ran.code(1);
    assert!(ran.err.contains("job 1 failed (can't keep its output: "), "{}", ran.err);
}

/// A job ends when its process ends; a daemon that it left does not keep it waiting.
#[test]
fn a_process_that_a_job_leaves_behind_does_not_hold_it_up() {
    let nap = unique_sleep(7);
    let ran = Ran::of(&mut fanout(["sh", "-c", "sleep $1 & echo $!", "sh", ":::", &nap]));
    let left: u32 = ran.code(0).trim().parse().unwrap();
    assert!(ran.err.contains("job 1: left a process behind"), "{}", ran.err);
    // Nobody asked for its end.
    assert_eq!(processes_with(&nap).len(), 1);
    signal(left, "KILL");
}

#[test]
fn an_unknown_loop_or_watcher_is_refused_in_one_line() {
    let loops = policy::policy_names();
    for (option, known) in [("--loop", loops.as_slice()), ("--watcher", &WATCHERS)] {
        let ran = Ran::of(&mut fanout([option, "twisted", "echo", ":::", "a"]));
        assert_eq!(ran.code(2), "");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(ran.err.starts_with("fanout: ") && ran.err.contains("\"twisted\""), "{}", ran.err);
        assert!(known.iter().all(|name| ran.err.contains(name)), "{}", ran.err);
    }
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    for args in [
        [].as_slice(),
        &[":::", "a"],
        &["-j", "0", "echo"],
        &["-j", "many", "echo"],
        &["--timeout", "3 parsecs", "echo"],
        &["--timeout", "0", "echo"],
        &["--timeout", "-1", "echo"],
        &["--grace", "", "echo"],
        &["--grace", "nan", "echo"],
        &["--retries", "-1", "echo"],
        &["--no-such-option", "echo"],
        &["echo", ":::", "a", ":::", "b"],
        &["--joblog", "/no/such/folder/log", "echo", ":::", "a"],
    ] {
        let ran = Ran::of(&mut fanout(args));
        assert_eq!(ran.code(2), "", "{args:?}");
        assert!(!ran.err.is_empty(), "{args:?}");
    }
}

#[test]
fn it_tells_its_usage() {
    let ran = Ran::of(&mut fanout(["--help"]));
    let printed = ran.printed();
    assert!(printed.contains("fanout [OPTIONS] COMMAND [ARG]... [::: INPUT...]"), "{printed}");
    assert!(policy::policy_names().iter().all(|name| printed.contains(name)), "{printed}");
}

#[test]
fn progress_is_lines_where_there_is_no_terminal() {
    let ran =
        Ran::of(&mut fanout(["-j1", "--progress", "sh", "-c", "exit $1", "sh", ":::", "0", "1"]));
    ran.code(1);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(
        lines[0].starts_with("fanout: 1 of 2 done, 0 failed: sh -c 'exit $1' sh 0 ("),
        "{}",
        ran.err
    );
    assert!(
        lines[1].starts_with("fanout: 2 of 2 done, 1 failed: sh -c 'exit $1' sh 1 ("),
        "{}",
        ran.err
    );
}

#[cfg(target_os = "linux")]
#[test]
fn progress_is_a_bar_on_a_terminal() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` to make a terminal");
        return;
    }
    let jobs = fanout(["-j1", "--progress", "echo", ":::", "one", "two"]);
    let mut words = vec![jobs.get_program().to_str().unwrap()];
    words.extend(jobs.get_args().map(|arg| arg.to_str().unwrap()));
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let ran = Ran::of(&mut terminal);
    let printed = ran.code(0);
    assert!(printed.contains("] 2/2"), "{printed:?}");
    assert!(printed.contains("one\r\n") && printed.contains("two\r\n"), "{printed:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn more_jobs_than_descriptors_are_run_all_the_same() {
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\""]).arg(fanout([""; 0]).get_program());
    let ran = Ran::with_input(few.args(["-j500", "echo"]), numbers(200));
    assert_eq!(ran.code(0).lines().count(), 200);
    assert_eq!(ran.err, "fanout: 9 jobs at a time, not 500; for more, raise `ulimit -n`\n");
}
