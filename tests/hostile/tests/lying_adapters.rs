//! Adapters that break their promises, in safe code: whatever they say, no memory is read
//! that was not filled, nothing is freed twice, and nothing is polled after its end.
//!
//! Mostly the proof is that nothing comes out by `ci/sanitize`, which runs this file under
//! the address sanitizer and under valgrind. The table of what each trait could say is in
//! SECURITY.md.
#![cfg(all(unix, feature = "default-loop", feature = "tokio-io", feature = "hyper"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]
#![forbid(unsafe_code)]

#[path = "lying/source.rs"]
mod source;
#[path = "lying/support.rs"]
mod support;
