//! `#[policy::main]` and `#[policy::test]` against the crate itself. How they expand,
//! and what they refuse, is tested in `macros/`.

#![cfg(all(feature = "macros", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::error::Error;
use std::process::{Command, ExitCode};

use policy::{DefaultEventLoopPolicy, get_running_loop};

fn running() -> String {
    get_running_loop().unwrap().name().to_string()
}

mod plain {
    #[policy::main]
    pub(super) async fn main() -> String {
        policy::spawn(async { super::running() }).await.unwrap()
    }
}

// One test: the forms that choose a policy set the process's.
#[test]
fn main_runs_in_each_of_its_forms() {
    assert_eq!(plain::main(), "selector");

    #[policy::main(policy = DefaultEventLoopPolicy::new())]
    async fn by_policy() -> String {
        running()
    }
    assert_eq!(by_policy(), "selector");

    #[cfg(feature = "tokio")]
    {
        #[policy::main(policy = policy::TokioPolicy::multi_thread().worker_threads(1))]
        async fn by_expression() -> String {
            running()
        }
        assert_eq!(by_expression(), "tokio:multi_thread");

        #[policy::main(name = "tokio:current_thread")]
        async fn by_name() -> String {
            running()
        }
        assert_eq!(by_name(), "tokio:current_thread");
        assert_eq!(policy::run(async { running() }), "tokio:current_thread", "set for all");
    }

    #[policy::main(name = "default")]
    async fn by_name() -> Result<String, Box<dyn Error>> {
        let number: u8 = "7".parse()?;
        Ok(format!("{} {number}", running()))
    }
    assert_eq!(by_name().unwrap(), "selector 7");

    #[policy::main(env = "POLICY_TEST_MACROS_UNSET")]
    async fn by_variable() -> String {
        running()
    }
    assert_eq!(by_variable(), "selector");

    #[policy::main]
    async fn fails() -> ExitCode {
        ExitCode::from(3)
    }
    assert_eq!(fails(), ExitCode::from(3));

    mod elsewhere {
        pub(super) use ::policy as renamed;
    }
    #[elsewhere::renamed::main(crate = elsewhere::renamed)]
    async fn renamed() -> u8 {
        1
    }
    assert_eq!(renamed(), 1);
}

#[test]
fn a_panic_of_main_comes_with_its_payload() {
    #[policy::main]
    async fn panics() {
        panic!("in main")
    }
    let payload = std::panic::catch_unwind(panics).unwrap_err();
    assert_eq!(*payload.downcast::<&str>().unwrap(), "in main");
}

#[test]
fn a_name_that_is_unknown_is_one_line_and_exit_code_2() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_an_unknown_name", "--ignored", "--nocapture"])
        .env("POLICY_TEST_MACROS", "twisted")
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(2), "{child:?}");
    let said = String::from_utf8(child.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: ") && said.contains("twisted"), "{said}");
}

#[test]
#[ignore = "the child of the test above"]
fn child_of_an_unknown_name() {
    #[policy::main(env = "POLICY_TEST_MACROS")]
    async fn main() {}
    main();
}

#[policy::test]
async fn a_test_runs_on_the_default_loop() {
    assert_eq!(running(), "selector");
    assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
}

#[policy::test]
async fn a_test_may_return_a_result() -> Result<(), Box<dyn Error>> {
    let number: u8 = "7".parse()?;
    assert_eq!(number, 7);
    Ok(())
}

#[policy::test]
#[should_panic(expected = "as it should")]
async fn a_test_may_panic() {
    policy::task::yield_now().await;
    panic!("as it should");
}

#[policy::test]
#[ignore = "to see that it is"]
async fn a_test_may_be_ignored() {
    panic!("run although it is ignored");
}

#[policy::test(policies(DefaultEventLoopPolicy::new(), policy::from_name("default").unwrap()))]
async fn a_test_runs_once_per_policy() {
    let here = get_running_loop().unwrap();
    let there = policy::spawn(async { get_running_loop().unwrap() }).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&here, &there));
}

#[cfg(all(feature = "tokio", feature = "smol", feature = "async-std", feature = "compio"))]
#[policy::test(policies(
    policy::TokioPolicy::current_thread(),
    policy::TokioPolicy::multi_thread().worker_threads(1),
    policy::SmolPolicy::current_thread(),
    policy::SmolPolicy::multi_thread().worker_threads(1),
    policy::AsyncStdPolicy::new(),
    policy::CompioPolicy::new(),
))]
async fn a_test_runs_on_every_executor() -> Result<(), policy::task::JoinError> {
    let (one, two) = (policy::spawn(async { 1 }), policy::spawn_blocking(|| 2));
    policy::time::sleep(std::time::Duration::from_millis(1)).await;
    assert_eq!(one.await? + two.await?, 3);
    Ok(())
}
