//! `#[policy::test]` with its options, against the crate itself.

#![cfg(all(feature = "macros", feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::time::Instant as Real;

use policy::time::{Duration, Instant, advance, sleep, timeout};
use policy::{DefaultEventLoopPolicy, get_running_loop};

const HOUR: Duration = Duration::from_secs(3600);

fn running() -> String {
    get_running_loop().unwrap().name().to_string()
}

/// The name of the test without its function: each runs on a thread with its name, but
/// for `--test-threads=1`.
fn case() -> Option<String> {
    let name = std::thread::current().name().map(str::to_owned)?;
    name.rsplit_once("::").map(|(_, case)| case.to_string())
}

#[policy::test(all)]
async fn a_test_runs_on_all_loops() {
    let here = get_running_loop().unwrap();
    let there = policy::spawn(async { get_running_loop().unwrap() }).await.unwrap();
    assert!(Arc::ptr_eq(&here, &there));
    let expected = match running().replace([':', '-'], "_").as_str() {
        "selector" => "default".to_string(),
        // It names the driver, too.
        name if name.starts_with("compio") => return,
        name => name.to_string(),
    };
    assert_eq!(case().unwrap_or_else(|| expected.clone()), expected);
}

#[policy::test(all, flavor = "multi_thread", worker_threads = 1)]
async fn a_flavor_chooses_among_the_loops() {
    assert!(get_running_loop().unwrap().is_self_driving());
}

#[policy::test(all, flavor = "current_thread")]
async fn the_other_flavor_chooses_the_others() {
    assert!(!get_running_loop().unwrap().is_self_driving());
}

#[policy::test(all, requires(children, jump, local, net, proactor, selector, signals))]
async fn a_loop_that_has_what_is_required_is_tested() {
    policy::spawn_local(async {}).await.unwrap();
}

#[policy::test(all, clock = virtual)]
async fn hours_pass_in_no_time() {
    let (start, real) = (Instant::now(), Real::now());
    let task = policy::spawn(async { sleep(5 * HOUR).await });
    assert!(timeout(HOUR, std::future::pending::<()>()).await.is_err());
    assert_eq!(start.elapsed(), HOUR);
    task.await.unwrap();
    assert_eq!(start.elapsed(), 5 * HOUR);
    assert!(real.elapsed() < HOUR);
}

#[policy::test(all, clock = manual)]
async fn time_moves_as_it_is_told() {
    let task = policy::spawn(sleep(2 * HOUR));
    advance(HOUR).await.unwrap();
    assert!(!task.is_finished());
    advance(HOUR).await.unwrap();
    assert!(task.is_finished());
}

#[policy::test(clock = virtual)]
async fn a_virtual_clock_is_for_one_loop_too() {
    sleep(HOUR).await;
}

#[policy::test(policies(DefaultEventLoopPolicy::new()), clock = virtual, timeout = "1m")]
async fn options_go_with_policies() -> Result<(), Box<dyn std::error::Error>> {
    sleep(HOUR).await;
    Err("as it should").or(Ok(()))
}

#[policy::test(timeout = Duration::from_secs(60))]
async fn a_test_in_time_passes() -> ExitCode {
    ExitCode::SUCCESS
}

#[policy::test(all, timeout = "60s")]
#[should_panic(expected = "as it should")]
async fn a_panic_under_a_timeout_is_the_tests_own() {
    policy::task::yield_now().await;
    panic!("as it should");
}

#[cfg(feature = "smol")]
#[policy::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_flavor_alone_is_of_the_default_executor() {
    assert_eq!(running(), "smol:multi_thread");
}

// What follows fails, and is looked at by the tests below.

#[policy::test(all, flavor = "current_thread", timeout = "200ms")]
#[ignore = "it hangs, as it should"]
async fn child_hangs() {
    std::future::pending::<()>().await;
}

#[policy::test(timeout = "200ms")]
#[ignore = "it hangs, as it should"]
async fn child_blocks() {
    std::thread::sleep(HOUR);
}

#[policy::test(all)]
#[ignore = "it fails, as it should"]
async fn child_returns_an_error() -> Result<(), String> {
    Err("not found".into())
}

#[cfg(feature = "tokio")]
mod lent {
    use std::sync::LazyLock;
    use tokio::runtime::Runtime;

    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => unreachable!("{error}"),
    });

    fn lent() -> policy::TokioPolicy {
        policy::TokioPolicy::from_handle(RUNTIME.handle().clone())
    }

    #[policy::test(policies(lent()), requires(jump))]
    #[ignore = "it is skipped, as it should"]
    async fn child_needs_jumps() {
        unreachable!("it is not run");
    }

    #[policy::test(policies(lent()), clock = virtual)]
    #[ignore = "it fails, as it should"]
    async fn child_is_refused() {
        unreachable!("it is not run");
    }

    #[policy::test(policies(lent()), clock = manual)]
    async fn time_is_moved_where_it_cannot_jump() {
        super::advance(super::HOUR).await.unwrap();
    }
}

fn child(test: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored"])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_test_that_hangs_fails_by_name() {
    for test in ["child_hangs::default", "child_blocks"] {
        let output = child(test);
        assert_eq!(output.status.code(), Some(101), "{output:?}");
        let said = said(&output);
        assert!(
            said.contains(&format!("test {test} hangs: it did not end within 200ms")),
            "{said}"
        );
    }
}

#[test]
fn an_error_that_is_returned_fails_the_test() {
    let output = child("child_returns_an_error::default");
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    assert!(said(&output).contains("Error: \"not found\""), "{output:?}");
}

#[cfg(feature = "tokio")]
#[test]
fn a_loop_without_what_is_required_is_skipped_with_its_reason() {
    let output = child("lent::child_needs_jumps::lent");
    assert!(output.status.success(), "{output:?}");
    // The harness keeps what a test that passes prints; this is for reading.
    let said = String::from_utf8(output.stderr).unwrap();
    let line = "test lent::child_needs_jumps::lent ... skipped, needs `jump`: the event loop tokio:handle can't";
    assert!(said.contains(line), "{said}");
}

#[cfg(feature = "tokio")]
#[test]
fn a_virtual_clock_where_none_can_be_is_an_error_and_no_hang() {
    let output = child("lent::child_is_refused::lent");
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    assert!(said(&output).contains("pause_without_jumping"), "{output:?}");
}

#[test]
fn the_tests_are_listed_by_loop() {
    let list = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format=terse"])
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let has = |name: &str| list.lines().any(|line| line == format!("{name}: test"));
    assert!(has("a_test_runs_on_all_loops::default"), "{list}");
    assert!(has("the_other_flavor_chooses_the_others::default"));
    assert!(!has("a_flavor_chooses_among_the_loops::default"), "{list}");
    for (feature, loops) in [
        (cfg!(feature = "smol"), ["smol_current_thread", "smol_multi_thread"]),
        (cfg!(feature = "tokio"), ["tokio_current_thread", "tokio_multi_thread"]),
        (cfg!(feature = "async-std"), ["async_std", "async_std"]),
        (cfg!(feature = "compio"), ["compio", "compio"]),
    ] {
        for name in loops {
            assert_eq!(has(&format!("a_test_runs_on_all_loops::{name}")), feature, "{name}");
        }
    }
}
