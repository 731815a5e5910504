//! The suite on a loop whose executor has a thread.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

#[allow(unreachable_pub, reason = "it is a crate of its own: docs/writing-an-adapter.md")]
#[path = "../../../examples/template-adapter/src/lib.rs"]
mod minimal_loop;
mod threaded_loop;

policy_conformance::suite!(threaded_loop::policy(None));
