//! What `policy::doctor` says of a machine, in processes to which something is refused.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::env;
use std::process::Command;

use policy::doctor::{Answer, Finding, Report};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Set in the process that a test starts of itself.
const INSIDE: &str = "POLICY_TEST_INSIDE";

/// Returns the finding of this name.
#[track_caller]
fn finding<'a>(report: &'a Report, name: &str) -> &'a Finding {
    let found = report.findings().iter().find(|finding| finding.name == name);
    found.unwrap_or_else(|| panic!("nothing about {name:?} in:\n{report}"))
}

/// Goes on with `inside` in a process of its own, after bash (which passes on what it ignores) ran `before`: what is found out
/// once is kept for the whole process.
#[track_caller]
fn in_a_process(test: &str, before: &str, inside: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut child = Command::new("bash");
    child.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(env::current_exe().unwrap());
    child.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{said}");
}

#[test]
fn every_loop_that_is_compiled_in_is_made_and_named() {
    let report = policy::doctor();
    for name in policy::policy_names() {
        assert_eq!(finding(&report, name).answer, Answer::Yes, "{report}");
    }
}

#[test]
fn the_loop_that_runs_is_found_and_goes_on() {
    policy::run(async {
        let report = policy::doctor();
        assert_eq!(finding(&report, "running here").answer, Answer::Yes, "{report}");
        policy::time::sleep(policy::time::Duration::from_millis(1)).await;
    });
}

#[test]
fn every_no_has_a_remedy_and_every_line_is_there_for_programs() {
    let report = policy::doctor();
    let json = report.to_json();
    for Finding { name, answer, remedy, .. } in report.findings() {
        assert_eq!(*answer == Answer::Yes, remedy.is_none(), "{name}");
        assert!(json.contains(&format!("\"name\":\"{name}\"")), "{name} in {json}");
        assert!(report.to_string().contains(&**name), "{name}");
    }
}

#[test]
fn refused_pidfds_are_told_with_what_is_done_instead() {
    in_a_process("refused_pidfds_are_told_with_what_is_done_instead", ":", || {
        refuse(libc::SYS_pidfd_open);
        let report = policy::doctor();
        assert_eq!(finding(&report, "pidfd").answer, Answer::No, "{report}");
        let auto = &finding(&report, "AutoChildWatcher").detail;
        assert!(auto.contains("thread"), "{auto}");
        assert!(finding(&report, "pidfd").remedy.as_ref().unwrap().contains("pidfd_open"));
    });
}

#[test]
fn a_refused_clone3_is_told_and_no_problem() {
    in_a_process("a_refused_clone3_is_told_and_no_problem", ":", || {
        if !cfg!(policy_force_std_start) {
            assert_eq!(finding(&policy::doctor(), "clone3").answer, Answer::Yes);
        }
        refuse(libc::SYS_clone3);
        let report = policy::doctor();
        assert_eq!(finding(&report, "clone3").answer, Answer::No, "{report}");
        assert!(report.problems().all(|finding| finding.name != "clone3"), "{report}");
    });
}

#[test]
fn an_ignored_sigchld_is_a_problem() {
    in_a_process("an_ignored_sigchld_is_a_problem", "trap '' CHLD", || {
        let report = policy::doctor();
        assert!(report.problems().any(|finding| finding.name == "SIGCHLD"), "{report}");
    });
}

#[test]
fn few_descriptors_are_a_problem() {
    in_a_process("few_descriptors_are_a_problem", "ulimit -n 60", || {
        let report = policy::doctor();
        assert!(report.problems().any(|finding| finding.name == "descriptors"), "{report}");
    });
}

/// Lets the kernel refuse a call to this thread, and to those that it starts.
fn refuse(call: i64) {
    let arch = env::consts::ARCH.try_into().unwrap();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let rules = [(call, Vec::new())].into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}
