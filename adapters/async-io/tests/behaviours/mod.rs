//! What every loop on async-io keeps: written once, run by each adapter with its
//! loops in `crate::LOOPS`.

#[path = "../common/mod.rs"]
mod common;
mod event_loop;
mod local;
mod shutdown;

use std::sync::Arc;

use policy_core::EventLoop;

use common::without_hang;

/// Makes a loop.
pub(crate) type Make = fn() -> Arc<dyn EventLoop>;

/// Runs `test` with each way to make a loop, on a thread of its own.
fn on_each_kind(test: fn(Make)) {
    for &make in crate::LOOPS {
        without_hang(move || test(make));
    }
}

/// Runs `test` with a loop of each kind, and closes it.
fn on_each_loop(test: fn(Arc<dyn EventLoop>)) {
    for &make in crate::LOOPS {
        without_hang(move || {
            let event_loop = make();
            test(event_loop.clone());
            event_loop.close().unwrap();
        });
    }
}

/// As [`on_each_loop`], with those that run by themselves.
fn on_each_self_driving_loop(test: fn(Arc<dyn EventLoop>)) {
    for &make in crate::LOOPS {
        without_hang(move || {
            let event_loop = make();
            if event_loop.is_self_driving() {
                test(event_loop.clone());
            }
            event_loop.close().unwrap();
        });
    }
}

/// Makes another loop, of whatever kind.
fn another() -> Arc<dyn EventLoop> {
    crate::LOOPS[0]()
}
