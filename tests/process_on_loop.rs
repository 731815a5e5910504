//! Children of a loop that is named: `event_loop.subprocess_exec`.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use policy::prelude::*;
use policy::{ErrorKind, EventLoop};

/// A guard against hanging.
const LONG: Duration = Duration::from_secs(30);

fn on_every_loop(story: impl Fn(Arc<dyn EventLoop>)) {
    for name in policy::policy_names() {
        println!("{name}");
        let event_loop = policy::from_name(name).unwrap().new_event_loop().unwrap();
        story(event_loop.clone());
        event_loop.close_within(LONG).unwrap();
    }
}

#[test]
fn a_loop_starts_a_program_and_a_shell() {
    on_every_loop(|event_loop| {
        let exec = event_loop.subprocess_exec("sh", ["-c", "exit 7"]);
        let child = event_loop.run_until_complete(exec).unwrap().unwrap();
        let status = event_loop.run_until_complete(child.wait()).unwrap().unwrap();
        assert_eq!(status.code(), Some(7));
        let status = event_loop.run_until_complete(async {
            event_loop.subprocess_shell("exit $((3 + 4))").await?.wait().await
        });
        assert_eq!(status.unwrap().unwrap().code(), Some(7));
    });
}

#[test]
fn a_loop_that_does_not_run_starts_children_too() {
    on_every_loop(|event_loop| {
        // On a thread where no loop runs, by somebody else's executor.
        let starting = event_loop.subprocess_shell("exit 3");
        let child = thread::spawn(|| futures_lite::future::block_on(starting)).join().unwrap();
        let child = child.unwrap();
        let elsewhere = futures_lite::future::block_on(child.wait()).unwrap();
        assert_eq!(elsewhere.code(), Some(3));
        let status = event_loop.run_until_complete(child.wait()).unwrap().unwrap();
        assert_eq!(status.code(), Some(3));
    });
}

#[test]
fn a_loop_starts_children_inside_of_another() {
    on_every_loop(|event_loop| {
        let named = event_loop.clone();
        let status = thread::spawn(move || {
            policy::run(async move {
                let here = policy::get_running_loop().unwrap();
                assert!(!Arc::ptr_eq(&here, &named));
                let child = named.subprocess_exec("true", [""; 0]).await?;
                assert!(Arc::ptr_eq(&here, &policy::get_running_loop().unwrap()));
                child.wait().await
            })
        });
        assert!(status.join().unwrap().unwrap().success());
    });
}

#[test]
fn a_closed_loop_starts_none() {
    on_every_loop(|event_loop| {
        event_loop.close().unwrap();
        let refused = futures_lite::future::block_on(event_loop.subprocess_exec("true", [""; 0]));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::LoopClosed);
        let missing = policy::new_event_loop().unwrap();
        let error =
            futures_lite::future::block_on(missing.subprocess_exec("no such program", [""]));
        assert_eq!(error.unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
        missing.close().unwrap();
    });
}
