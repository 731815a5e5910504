//! Adapters that break their promises, in safe code: whatever they say, no memory is read
//! that was not filled, nothing is freed twice, and nothing is polled after its end.
//!
//! Mostly the proof is that nothing comes out by `ci/sanitize`, which runs this file under
//! the address sanitizer and under valgrind. The table of what each trait could say is in
//! SECURITY.md.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]
#![forbid(unsafe_code)]

#[path = "lying/event_loop.rs"]
mod event_loop;
#[path = "lying/proactor.rs"]
mod proactor;
#[path = "lying/source.rs"]
mod source;
#[path = "lying/support.rs"]
mod support;
#[path = "lying/watcher.rs"]
mod watcher;
