//! The suite on a loop whose executor has a thread.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

#[allow(unreachable_pub, reason = "it is what a crate would be: docs/writing-an-adapter.md")]
mod minimal_loop;
mod threaded_loop;

policy_conformance::suite!(threaded_loop::policy(None));
