//! A child's whole input and output: what is written, what is read, what a limit leaves.
#![cfg(all(target_os = "linux", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod process_support;

use std::time::{Duration, Instant};

use policy::ErrorKind;
use policy::process::{Command, PartialOutput, Stdio};
use policy::time::timeout;

use process_support::{everywhere, nothing_is_left_everywhere, on_every_loop, sh};

/// More than pipes hold.
fn much() -> Vec<u8> {
    (0..1_000_000_u32).map(|n| n as u8).collect()
}

fn piped(line: &str) -> Command {
    let mut command = sh(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn communicate_writes_and_reads_at_once() {
    on_every_loop(|| async {
        let mut child = piped("cat; echo done >&2").spawn().unwrap();
        let output = child.communicate(much()).await.unwrap();
        assert!(output.status.success() && !output.timed_out && !output.truncated);
        assert_eq!(output.stdout, much());
        assert_eq!(output.stderr, b"done\n");
    });
}

#[test]
fn a_child_that_does_not_read_its_input_is_no_error() {
    everywhere(|| async {
        let mut child = piped("exit 3").spawn().unwrap();
        assert_eq!(child.communicate(much()).await.unwrap().status.code(), Some(3));
        let mut command = sh("exit 4");
        command.input(much());
        assert_eq!(command.output().await.unwrap().status.code(), Some(4));
        assert_eq!(command.status().await.unwrap().code(), Some(4));
    });
}

#[test]
fn communicate_that_is_given_up_loses_nothing() {
    on_every_loop(|| async {
        let mut child = piped("echo first; cat; echo second >&2").spawn().unwrap();
        // Its stdin stays open as long as it is here, so this can't be ready.
        let stdin = child.stdin.take();
        assert!(timeout(Duration::from_millis(50), child.communicate("")).await.is_err());
        child.stdin = stdin;
        let output = child.communicate("hello\n").await.unwrap();
        assert_eq!(output.stdout, b"first\nhello\n");
        assert_eq!(output.stderr, b"second\n");
    });
}

#[test]
fn input_that_can_go_nowhere_is_refused() {
    on_every_loop(|| async {
        let mut child = sh("exit 5").stdin(Stdio::null()).spawn().unwrap();
        let error = child.communicate("hello").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(child.communicate("").await.unwrap().status.code(), Some(5));
    });
}

#[test]
fn each_child_of_a_command_has_the_whole_input() {
    on_every_loop(|| async {
        let mut command = Command::new("cat");
        command.input(much());
        for _ in 0..3 {
            assert_eq!(command.output().await.unwrap().stdout, much());
        }
        command.stdout(Stdio::piped());
        let mut children = [command.spawn().unwrap(), command.start().await.unwrap()];
        for child in &mut children {
            assert_eq!(child.communicate("").await.unwrap().stdout, much());
        }
        // What is said last is meant.
        assert_eq!(command.stdin(Stdio::null()).output().await.unwrap().stdout, b"");
    });
}

#[test]
fn a_time_that_is_over_leaves_what_was_written_by_then() {
    everywhere(|| async {
        // Used to be lost, with the child, in a `timeout` round `wait_with_output`.
        let mut command = sh("echo first; echo why >&2; exec sleep 1000");
        let begun = Instant::now();
        let output = command.timeout(Duration::from_millis(300)).output().await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert!(output.timed_out && !output.status.success() && !output.truncated);
        assert_eq!(output.stdout, b"first\n");
        assert_eq!(output.stderr, b"why\n");

        command.stdout(Stdio::null()).stderr(Stdio::null());
        let error = command.status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);

        let output = sh("echo quick").timeout(Duration::from_secs(1000)).output().await.unwrap();
        assert!(!output.timed_out && output.status.success());
        assert!(sh("true").timeout(Duration::MAX).status().await.unwrap().success());
    });
}

#[test]
fn a_grandchild_that_has_the_pipes_does_not_hold_up_the_end_of_the_time() {
    on_every_loop(|| async {
        let mut command = sh("sleep 1000 & echo $!; wait");
        let output = command.timeout(Duration::from_millis(300)).output().await.unwrap();
        assert!(output.timed_out && output.truncated);
        let pid: i32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(sh(format!("kill {pid}")).status().await.unwrap().success());

        // With its tree it is gone, and the pipes end.
        let output = command.kill_tree(true).output().await.unwrap();
        assert!(output.timed_out);
        let pid = String::from_utf8(output.stdout).unwrap();
        let dead = sh(format!(
            "while kill -0 {pid} 2>/dev/null && ! grep -q 'State:.Z' /proc/{}/status; do sleep 0.01; done",
            pid.trim()
        ));
        assert!({ dead }.status().await.unwrap().success());
    });
}

#[test]
fn what_was_read_comes_with_the_error_of_a_limit() {
    everywhere(|| async {
        let mut command = sh("echo first; echo why >&2; exec sleep 1000");
        let error = command.max_output(8).output().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitReached);
        let read = PartialOutput::of(&error).unwrap();
        let all = [&*read.stdout, &*read.stderr].concat();
        assert!(all.starts_with(b"first\n") || all == b"why\n", "{all:?}");
    });
}

#[test]
fn what_a_child_has_used_is_known_when_it_has_ended() {
    everywhere(|| async {
        let line = "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; exit 3";
        let child = sh(line).spawn().unwrap();
        assert_eq!(child.usage(), None);
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let used = child.usage().unwrap();
        assert!(used.user_time + used.system_time > Duration::from_millis(1), "{used:?}");
        assert!(used.max_memory > 100_000, "{used:?}");
        let used = sh(line).output().await.unwrap().usage().unwrap();
        assert!(used.user_time + used.system_time > Duration::from_millis(1), "{used:?}");
    });
}

alone! {
    fn what_is_talked_about_leaves_nothing() {
        nothing_is_left_everywhere(|| async {
            let mut command = sh("cat; exec sleep 1000");
            command.input(much()).timeout(Duration::from_millis(300)).kill_tree(true);
            assert_eq!(command.output().await.unwrap().stdout.len(), much().len());
            assert_eq!(command.max_output(7).output().await.unwrap_err().kind(), ErrorKind::LimitReached);
            let mut child = piped("cat").spawn().unwrap();
            child.communicate("hello").await.unwrap();
        });
    }
}
