//! Policies by name, and from the environment.

#![cfg(feature = "default-loop")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::ffi::OsString;
use std::process::Command;

use policy::{ErrorKind, EventLoopPolicy, from_env, from_name, policy_names};

/// The variable that the child processes of this file read.
const VARIABLE: &str = "POLICY_TEST_NAMES";

fn loop_name(policy: &str) -> String {
    let event_loop = from_name(policy).unwrap().new_event_loop().unwrap();
    let name = event_loop.name().to_string();
    event_loop.close().unwrap();
    name
}

fn refusal(name: &str) -> policy::Error {
    match from_name(name) {
        Ok(_) => panic!("{name:?} is known"),
        Err(error) => error,
    }
}

#[test]
fn each_name_makes_a_policy_whose_loop_says_so() {
    assert_eq!(policy_names().first(), Some(&"default"));
    for name in policy_names() {
        let policy = from_name(name).unwrap();
        let two = policy::with_event_loop_policy(policy, || policy::run(async { 1 + 1 }));
        assert_eq!(two, 2);
        if name != "default" {
            assert_eq!(loop_name(name), name);
        }
    }
}

#[test]
#[cfg(unix)]
fn each_name_makes_a_policy_that_has_a_child_watcher() {
    for name in policy::policy_names() {
        // All but the default used to say `NoChildWatcher`.
        let watcher = policy::from_name(name).unwrap().get_child_watcher();
        assert!(watcher.unwrap().is_active(), "{name}");
    }
}

#[test]
fn names_may_stand_in_spaces() {
    assert_eq!(loop_name(" default\n"), loop_name("default"));
}

#[cfg(feature = "tokio")]
#[test]
fn a_bare_executor_means_its_first_flavour() {
    assert_eq!(loop_name("tokio"), "tokio:multi_thread");
    assert_eq!(loop_name("tokio:3"), "tokio:multi_thread");
}

#[cfg(feature = "smol")]
#[test]
fn a_bare_smol_is_current_thread() {
    assert_eq!(loop_name("smol"), "smol:current_thread");
}

#[cfg(all(feature = "compio", target_os = "linux"))]
#[test]
fn the_drivers_of_compio_have_names_of_their_own() {
    assert_eq!(loop_name("compio"), "compio");
    for name in ["compio:io_uring", "compio:polling"] {
        assert_eq!(loop_name(name), name);
        assert!(!policy_names().contains(&name), "the system may refuse it");
    }
    assert_eq!(refusal("compio:polling:2").kind(), ErrorKind::InvalidInput);
}

#[cfg(all(feature = "tokio", target_os = "linux"))]
#[test]
fn a_count_of_threads_is_kept() {
    let policy = from_name("tokio:multi_thread:3").unwrap();
    let event_loop = policy.new_event_loop().unwrap();
    let workers = event_loop
        .run_until_complete(async { tokio::runtime::Handle::current().metrics().num_workers() });
    assert_eq!(workers.unwrap(), 3);
    event_loop.close().unwrap();
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    for unknown in ["twisted", "", "default:", "TOKIO", "tokio:no_thread", "\u{1f980}"] {
        let error = refusal(unknown);
        assert_eq!(error.kind(), ErrorKind::UnknownPolicy, "{unknown:?}");
        for known in policy_names() {
            assert!(error.to_string().contains(known), "{error}");
        }
    }
}

#[cfg(not(feature = "tokio"))]
#[test]
fn a_name_whose_feature_is_off_says_which() {
    let error = refusal("tokio");
    assert_eq!(error.kind(), ErrorKind::UnknownPolicy);
    assert!(error.to_string().contains("feature `tokio`"), "{error}");
}

#[cfg(all(feature = "tokio", feature = "smol"))]
#[test]
fn a_count_that_is_none_is_refused() {
    for bad in ["tokio:multi_thread:0", "smol:multi_thread:-1", "tokio:multi_thread:9x"] {
        let error = refusal(bad);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}: {error}");
    }
    let huge = format!("tokio:multi_thread:{}", "9".repeat(40));
    assert_eq!(refusal(&huge).kind(), ErrorKind::InvalidInput);
    for without in ["default:2", "tokio:current_thread:2", "smol:current_thread:1"] {
        let error = refusal(without);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{without}: {error}");
    }
}

#[cfg(all(feature = "tokio", feature = "smol"))]
#[test]
fn no_worker_threads_is_a_typed_error() {
    let policies: [Box<dyn EventLoopPolicy>; 2] = [
        Box::new(policy::TokioPolicy::multi_thread().worker_threads(0)),
        Box::new(policy::SmolPolicy::multi_thread().worker_threads(0)),
    ];
    for policy in policies {
        let error = policy.new_event_loop().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("at least 1"), "{error}");
    }
}

/// What `from_env` gives where the variable has this value: the loop's name, or the
/// error.
fn in_a_child(value: Option<OsString>) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_that_reads_the_variable", "--ignored", "--nocapture"]);
    match value {
        Some(value) => child.env(VARIABLE, value),
        None => child.env_remove(VARIABLE),
    };
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, said) = text.split_once("said: ").unwrap();
    said.lines().next().unwrap().to_string()
}

#[test]
#[ignore = "the child of the tests below"]
fn child_that_reads_the_variable() {
    match from_env(VARIABLE) {
        Ok(policy) => println!("said: {}", policy.new_event_loop().unwrap().name()),
        Err(error) => println!("said: {:?}: {error}", error.kind()),
    }
}

#[test]
fn a_variable_that_is_not_set_or_empty_means_the_default() {
    let default = loop_name("default");
    assert_eq!(in_a_child(None), default);
    assert_eq!(in_a_child(Some("".into())), default);
    assert_eq!(in_a_child(Some("  ".into())), default);
}

#[cfg(feature = "tokio")]
#[test]
fn a_variable_names_the_policy() {
    assert_eq!(in_a_child(Some("tokio:current_thread".into())), "tokio:current_thread");
}

#[test]
fn a_variable_with_an_unknown_name_is_refused() {
    let said = in_a_child(Some("twisted".into()));
    assert!(said.starts_with("UnknownPolicy") && said.contains("default"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let said = in_a_child(Some(OsString::from_vec(vec![b't', 0xff])));
    assert!(said.starts_with("InvalidInput") && said.contains(VARIABLE), "{said}");
}

#[test]
fn a_variable_that_can_have_no_such_name_is_refused() {
    for bad in ["", "A=B", "A\0B"] {
        let Err(error) = from_env(bad) else { panic!("{bad:?} names a variable") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
