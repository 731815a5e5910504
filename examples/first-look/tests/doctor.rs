//! The program `doctor`, run as a user runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod built;

use std::process::Command;

#[test]
fn doctor_says_of_each_loop_whether_it_works_here() {
    let output = Command::new(built::example("doctor")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    // 1: something on this machine needs attention, which is none of this test's business.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{printed}");
    for name in policy::policy_names() {
        let line = printed.lines().find(|line| line.trim_start().starts_with(name));
        assert!(line.is_some_and(|line| line.contains(" yes ")), "{name} in:\n{printed}");
    }
}

#[test]
fn doctor_prints_json_that_others_can_read() {
    let output = Command::new(built::example("doctor")).arg("--json").output().unwrap();
    let json = String::from_utf8(output.stdout).unwrap();
    let mut reader = Command::new("python3");
    reader.args(["-c", "import json, sys; print(len(json.loads(sys.argv[1])['findings']))", &json]);
    let read = reader.output().unwrap();
    let count = String::from_utf8(read.stdout).unwrap();
    assert!(count.trim().parse::<usize>().is_ok_and(|count| count > 10), "{count}: {json}");
}

#[test]
fn doctor_refuses_an_option_that_means_nothing() {
    let output = Command::new(built::example("doctor")).arg("--jason").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--jason"));
}
