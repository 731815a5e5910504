//! The suite on a loop that somebody wrote in an afternoon.

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod minimal_loop;

policy_conformance::suite!(minimal_loop::policy());
