//! The very first use of async-std without threads. Alone in its process: there is
//! only one first use.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

#[path = "../../async-io/tests/refused/mod.rs"]
mod refused;

use policy_async_std::AsyncStdPolicy;
use policy_core::{ErrorKind, EventLoopPolicy};

/// async-std used to panic, and then at every use.
#[test]
fn the_first_use_without_threads_is_an_error_and_a_later_one_works() {
    policy_async_io::reactor::start().unwrap();
    let made = || AsyncStdPolicy::new().new_event_loop();
    let error = refused::on_a_thread_that_starts_none(made).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(libc::EAGAIN));
    let event_loop = made().unwrap();
    let task = event_loop.spawn(async { 6 * 7 });
    assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 42);
    event_loop.close().unwrap();
}
