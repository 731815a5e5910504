//! The suite on a loop that somebody wrote in an afternoon.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

#[allow(unreachable_pub, reason = "it is what a crate would be: docs/writing-an-adapter.md")]
mod minimal_loop;

policy_conformance::suite!(minimal_loop::policy());
