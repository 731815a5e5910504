//! What the default loop keeps beyond what every loop does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use policy_core::LoopKind;
use policy_poller::SelectorEventLoop;

#[test]
fn it_has_asyncios_name_and_kind() {
    let event_loop = SelectorEventLoop::new().unwrap();
    assert_eq!((event_loop.name(), event_loop.kind()), ("selector", LoopKind::Selector));
    event_loop.close().unwrap();
}

/// epoll counts milliseconds.
#[test]
fn a_timer_of_less_than_a_millisecond_is_not_late_by_one() {
    let event_loop = SelectorEventLoop::new().unwrap();
    let took = |wait: Duration| {
        let began = Instant::now();
        let timer = event_loop.timer(began + wait).unwrap();
        event_loop.run_until_complete(timer).unwrap();
        assert!(began.elapsed() >= wait);
        began.elapsed()
    };
    // The best of many: others use this machine, too.
    let best = (0..200).map(|_| took(Duration::from_micros(100))).min().unwrap();
    assert!(best < Duration::from_micros(900), "{best:?}");
    event_loop.close().unwrap();
}

#[test]
fn a_loop_that_sleeps_is_woken_from_another_thread_each_time() {
    let event_loop = SelectorEventLoop::new().unwrap();
    let (ask, asked) = mpsc::channel::<std::task::Waker>();
    let wakes = thread::spawn(move || asked.into_iter().for_each(std::task::Waker::wake));
    for _ in 0..2000 {
        let mut was_polled = false;
        let waits = std::future::poll_fn(|cx| {
            if std::mem::replace(&mut was_polled, true) {
                return std::task::Poll::Ready(());
            }
            ask.send(cx.waker().clone()).unwrap();
            std::task::Poll::Pending
        });
        event_loop.run_until_complete(waits).unwrap();
    }
    drop(ask);
    wakes.join().unwrap();
    event_loop.close().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn it_needs_no_thread() {
    let names = || -> Vec<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let comm = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        tasks.filter_map(|task| comm(task.ok()?).ok()).collect()
    };
    let event_loop = SelectorEventLoop::new().unwrap();
    let timer = event_loop.timer(Instant::now() + Duration::from_millis(2)).unwrap();
    event_loop.run_until_complete(timer).unwrap();
    assert!(!names().iter().any(|name| name.starts_with("async-io")), "{:?}", names());
    event_loop.close().unwrap();
}
