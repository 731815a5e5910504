//! The clause on the end of a loop, in its long form: 100,000 rounds on each loop, or as many
//! as `CLOSING_ROUNDS` says. `ci/closing-storm` runs it.
#![cfg(all(feature = "default-loop", feature = "smol", feature = "tokio"))]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::sync::Arc;
use std::time::Duration;

use policy::{EventLoopPolicy, TokioPolicy};
use policy_conformance::{Outcome, clauses};

fn rages(make: impl Fn() -> Arc<dyn EventLoopPolicy> + Send + Sync + 'static) {
    let clause = clauses().into_iter().find(|clause| clause.name() == "closing_loses_no_task");
    assert_eq!(clause.unwrap().check(Duration::MAX, make), Outcome::Kept);
}

fn storm(name: &'static str) {
    // Without its feature there is no such loop.
    if policy::from_name(name).is_ok() {
        rages(move || policy::from_name(name).unwrap());
    }
}

macro_rules! on {
    ($($loop:ident $name:literal)*) => {
        $(
            #[test]
            #[ignore = "minutes to hours: `ci/closing-storm`"]
            fn $loop() {
                storm($name);
            }
        )*
    };
}

on! {
    default "default"
    smol_current_thread "smol:current_thread"
    smol_multi_thread "smol:multi_thread"
    tokio_current_thread "tokio:current_thread"
    tokio_multi_thread "tokio:multi_thread"
    async_std "async-std"
    compio "compio"
    compio_polling "compio:polling"
}

/// A runtime that its owner keeps: closing the loop ends the loop's tasks alone.
#[test]
#[ignore = "minutes to hours: `ci/closing-storm`"]
fn tokio_handle() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    rages(move || Arc::new(TokioPolicy::from_handle(handle.clone())));
}
