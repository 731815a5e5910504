//! What `#[policy::test]` expands to, compiled and run.

#![allow(clippy::panic, reason = "tests of `#[should_panic]`")]

#[allow(dead_code, unreachable_pub, reason = "shared by several test crates")]
mod policy;

use std::process::{Command, ExitCode};

use policy::{SmolPolicy, TokioPolicy, take_calls};

#[policy::test(crate = crate::policy)]
async fn without_options_the_default_loop_runs_the_body() {
    assert_eq!(take_calls(), ["test_default"]);
}

#[policy::test(crate = crate::policy)]
#[should_panic(expected = "the body ran")]
async fn a_panic_is_expected_where_the_attribute_says_so() {
    panic!("the body ran");
}

#[policy::test(crate = crate::policy)]
async fn a_result_may_be_returned() -> Result<(), Box<dyn std::error::Error>> {
    let number: u8 = "7".parse()?;
    if number == 7 {
        return Ok(());
    }
    Err(Box::new(std::fmt::Error))
}

#[policy::test(crate = crate::policy)]
async fn an_exit_code_may_be_returned() -> ExitCode {
    ExitCode::SUCCESS
}

#[policy::test(crate = crate::policy)]
#[ignore = "only listed: it would fail"]
async fn an_ignored_test_stays_ignored() {
    panic!("this one is not to run");
}

#[policy::test(policies(SmolPolicy::new(), TokioPolicy::multi_thread().worker_threads(2)), crate = crate::policy)]
async fn each_policy_runs_the_body_once() {
    // Each test has its own thread, with its name and its own list of calls.
    let calls = take_calls();
    let test = std::thread::current().name().map(str::to_owned);
    match test.as_deref() {
        Some("each_policy_runs_the_body_once::smol") => assert_eq!(calls, ["test_with smol"]),
        Some("each_policy_runs_the_body_once::tokio_multi_thread_worker_threads_2") => {
            assert_eq!(calls, ["test_with tokio:2"]);
        }
        other => panic!("a test that nobody asked for: {other:?}"),
    }
}

#[policy::test(policies(SmolPolicy::new(), SmolPolicy::new(), SmolPolicy), crate = crate::policy)]
#[ignore = "only listed: it would fail"]
#[should_panic(expected = "another message")]
async fn attributes_go_to_each_policy() {
    panic!("this one is not to run");
}

#[policy::test(policies(SmolPolicy, TokioPolicy::multi_thread()), crate = crate::policy)]
#[should_panic(expected = "the body ran")]
async fn a_panic_is_expected_under_each_policy() -> () {
    panic!("the body ran");
}

#[policy::test(policies(SmolPolicy, TokioPolicy::default(),), crate = crate::policy)]
async fn a_result_may_be_returned_under_each_policy() -> Result<(), std::num::ParseIntError> {
    assert_eq!("7".parse::<u8>()?, 7);
    Ok(())
}

#[policy::test(
    requires(selector, jump),
    flavor = "multi_thread",
    worker_threads = 3,
    timeout = "1500ms",
    clock = virtual,
    crate = crate::policy
)]
async fn options_are_passed_on() {
    assert_eq!(
        take_calls(),
        [
            "test_flavor true options_are_passed_on [\"selector\", \"jump\"] Some(3) Some(1.5s) Virtual"
        ]
    );
}

#[policy::test(timeout = std::time::Duration::from_secs(7), crate = crate::policy)]
async fn a_timeout_may_be_an_expression() -> Result<(), std::num::ParseIntError> {
    "7".parse::<u8>()?;
    assert_eq!(
        take_calls(),
        ["test_flavor false a_timeout_may_be_an_expression [] None Some(7s) Real"]
    );
    Ok(())
}

#[policy::test(policies(SmolPolicy), clock = manual, crate = crate::policy)]
#[should_panic(expected = "the body ran")]
async fn options_go_with_policies() {
    assert_eq!(
        take_calls(),
        ["test_policy smol smol options_go_with_policies [] None None Manual"]
    );
    panic!("the body ran");
}

#[policy::test(all, crate = crate::policy)]
async fn the_crate_makes_a_test_for_each_loop() -> ExitCode {
    assert_eq!(
        take_calls(),
        ["test_loop this one the_crate_makes_a_test_for_each_loop [] None None Real"]
    );
    ExitCode::SUCCESS
}

#[policy::test(all, flavor = "current_thread", crate = crate::policy)]
#[should_panic(expected = "the body ran")]
#[allow(unused_variables)]
async fn attributes_go_to_the_test_of_each_loop() {
    let unused = ();
    panic!("the body ran");
}

/// Names that the expansion could take for its own.
mod scopes {
    use super::policy::{self, SmolPolicy};

    mod inner {
        use super::policy;

        // As the test on it is named.
        fn smol() -> super::SmolPolicy {
            super::SmolPolicy
        }

        const WORKERS: usize = 9;

        type Outcome = Result<(), super::NotCloned>;

        #[policy::test(
            policies(smol(), super::SmolPolicy, super::policy::TokioPolicy::multi_thread().worker_threads(WORKERS)),
            crate = super::policy
        )]
        #[deny(unused_variables)]
        async fn a_body_and_its_policies_keep_their_scope() -> Outcome {
            #![allow(unused_variables)]
            let unused = super::helper();
            let calls = policy::take_calls();
            assert!(calls == ["test_with smol"] || calls == ["test_with tokio:9"]);
            Ok(())
        }
    }

    #[derive(Debug)]
    struct NotCloned;

    fn helper() -> NotCloned {
        NotCloned
    }
}

#[test]
fn the_tests_have_the_names_of_their_policies() -> Result<(), Box<dyn std::error::Error>> {
    let list =
        Command::new(std::env::current_exe()?).args(["--list", "--format=terse"]).output()?;
    let list = String::from_utf8(list.stdout)?;
    for test in [
        "an_ignored_test_stays_ignored: test",
        "attributes_go_to_the_test_of_each_loop::current_thread: test",
        "the_crate_makes_a_test_for_each_loop::any: test",
        "options_go_with_policies::smol: test",
        "attributes_go_to_each_policy::smol_policy: test",
        "attributes_go_to_each_policy::smol_policy_new: test",
        "attributes_go_to_each_policy::smol_policy_new_2: test",
        "each_policy_runs_the_body_once::smol: test",
        "each_policy_runs_the_body_once::tokio_multi_thread_worker_threads_2: test",
        "scopes::inner::a_body_and_its_policies_keep_their_scope::smol: test",
        "scopes::inner::a_body_and_its_policies_keep_their_scope::smol_policy: test",
    ] {
        assert!(list.lines().any(|line| line == test), "no {test} in\n{list}");
    }
    Ok(())
}

#[test]
fn an_ignored_test_is_ignored_under_each_policy() -> Result<(), Box<dyn std::error::Error>> {
    let list = Command::new(std::env::current_exe()?)
        .args(["--list", "--ignored", "--format=terse"])
        .output()?;
    let list = String::from_utf8(list.stdout)?;
    assert_eq!(
        list.lines().collect::<Vec<_>>(),
        [
            "an_ignored_test_stays_ignored: test",
            "attributes_go_to_each_policy::smol_policy: test",
            "attributes_go_to_each_policy::smol_policy_new: test",
            "attributes_go_to_each_policy::smol_policy_new_2: test",
        ]
    );
    Ok(())
}
