//! What a program without the feature `default-loop` is told. Run it with
//! `cargo test -p event-loop-policy --no-default-features --test no_default_loop`;
//! where the feature is on, this file is empty.

#![cfg(not(feature = "default-loop"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use policy::{ErrorKind, EventLoopPolicy};

#[test]
fn without_a_policy_making_a_loop_names_the_remedy() {
    for error in [
        policy::new_event_loop().err().unwrap(),
        policy::try_run(async {}).unwrap_err(),
        policy::Runner::new().get_loop().err().unwrap(),
        policy::DefaultEventLoopPolicy::new().new_event_loop().err().unwrap(),
        policy::from_name("default").unwrap().new_event_loop().err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NoDefaultLoop);
        let said = error.to_string();
        assert!(said.contains("default-loop") && said.contains("set_event_loop_policy"), "{said}");
    }
}

#[test]
fn ambient_calls_find_no_loop() {
    assert_eq!(policy::try_spawn(async {}).unwrap_err().kind(), ErrorKind::NoRunningLoop);
    assert_eq!(policy::get_running_loop().unwrap_err().kind(), ErrorKind::NoRunningLoop);
    assert_eq!(policy::get_event_loop().unwrap_err().kind(), ErrorKind::NoCurrentLoop);
}

#[test]
fn run_panics_with_the_remedy() {
    let panicked = std::panic::catch_unwind(|| policy::run(async {})).unwrap_err();
    let said = panicked.downcast::<String>().unwrap();
    assert!(said.contains("default-loop"), "{said}");
}

#[test]
fn the_default_policy_is_named_all_the_same() {
    assert!(policy::policy_names().contains(&"default"));
}
