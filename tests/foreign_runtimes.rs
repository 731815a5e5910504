//! A third party that says what it knows of runtimes, before we do. A file of its own: who
//! says so is known to the process for ever.
#![cfg(all(feature = "tokio", feature = "default-loop"))]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use policy::ErrorKind;
use policy::core::foreign::{Foreign, install};

static IS_POLLING: AtomicBool = AtomicBool::new(false);

/// There was one place, and whoever took it took the guard against loops inside of tokio
/// away.
#[test]
fn a_third_party_takes_no_guard_of_others_away() {
    let third_party =
        Foreign { is_polling: || IS_POLLING.load(SeqCst), running: || None, defer: |_| false };
    assert!(install(third_party));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for name in policy::policy_names() {
        println!("on {name}");
        let event_loop = policy::from_name(name).unwrap().new_event_loop().unwrap();
        // Inside of tokio, by tokio's guard.
        let inside = runtime.block_on(async { event_loop.run_until_complete(async { 1 }) });
        assert_eq!(inside.unwrap_err().kind(), ErrorKind::OtherLoopRunning);
        assert_eq!(event_loop.run_until_complete(async { 2 }).unwrap(), 2);
        // And inside of what the third party knows.
        IS_POLLING.store(true, SeqCst);
        assert!(event_loop.run_until_complete(async { 3 }).is_err());
        IS_POLLING.store(false, SeqCst);
        assert_eq!(event_loop.run_until_complete(async { 4 }).unwrap(), 4);
        event_loop.close().unwrap();
    }
    // The same again takes no place; and places end.
    assert!((0..100).all(|_| install(third_party)));
}
