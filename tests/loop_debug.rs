//! What a loop writes into the log: debug mode, and the default exception handler. A
//! file of its own, because a process has one logger.

#![cfg(all(feature = "default-loop", feature = "smol", feature = "tokio"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use policy::task::{JoinHandle, yield_now};
use policy::{
    DefaultEventLoopPolicy, EventLoop, EventLoopPolicy, ExceptionContext, Runner, SmolPolicy,
    TokioPolicy,
};

struct Collector;

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("policy") {
            lock(&LINES).push((record.level(), record.args().to_string()));
        }
    }
    fn flush(&self) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f` once for each kind of loop, one test at a time, and gives it what is said
/// meanwhile.
fn on_each_loop(f: impl Fn(&Arc<dyn EventLoop>)) {
    static LOGGER: Once = Once::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = lock(&ONE_AT_A_TIME);
    LOGGER.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
    let policies: [Arc<dyn EventLoopPolicy>; 5] = [
        Arc::new(DefaultEventLoopPolicy::new()),
        Arc::new(SmolPolicy::current_thread()),
        Arc::new(SmolPolicy::multi_thread().worker_threads(2)),
        Arc::new(TokioPolicy::current_thread()),
        Arc::new(TokioPolicy::multi_thread().worker_threads(2)),
    ];
    for policy in policies {
        let event_loop = policy.new_event_loop().unwrap();
        said();
        f(&event_loop);
        event_loop.close_within(Duration::from_secs(20)).unwrap();
    }
}

/// Takes what was said so far.
fn said() -> Vec<(Level, String)> {
    std::mem::take(&mut *lock(&LINES))
}

/// Takes the warnings that contain `part`.
fn warnings(part: &str) -> Vec<String> {
    let warns = |(level, line): (Level, String)| {
        (level == Level::Warn && line.contains(part)).then_some(line)
    };
    said().into_iter().filter_map(warns).collect()
}

/// Takes the warnings that contain `part`, when they are all there: who waits for a task
/// may hear of its end before the log does.
fn warnings_when(
    event_loop: &Arc<dyn EventLoop>,
    part: &str,
    are_all: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let began = Instant::now();
    let mut found = warnings(part);
    while !are_all(&found) && began.elapsed() < Duration::from_secs(20) {
        event_loop.run_until_complete(policy::time::sleep(Duration::from_millis(1))).unwrap();
        found.extend(warnings(part));
    }
    found
}

fn names_line(line: &str, location: &Location<'_>) -> bool {
    line.contains(&format!("{}:{}:", location.file(), location.line()))
}

/// Runs the loop until all that was given to it before has been called.
fn turn(event_loop: &Arc<dyn EventLoop>) {
    let (send, called) = std::sync::mpsc::channel();
    event_loop.call_soon(move || send.send(()).unwrap());
    event_loop
        .run_until_complete(async {
            while called.try_recv().is_err() {
                yield_now().await;
            }
        })
        .unwrap();
}

#[test]
fn a_slow_callback_is_named_by_its_line() {
    on_each_loop(|event_loop| {
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::ZERO);
        let (handle, here) = (event_loop.call_soon(|| ()), Location::caller());
        let location = handle.location();
        assert_eq!(location.file(), here.file());
        turn(event_loop);
        let slow = warnings("callback");
        assert!(slow.iter().any(|line| names_line(line, location)), "{slow:?}");
        assert!(slow.iter().all(|line| line.contains("spawn_blocking")), "{slow:?}");
        let handle = event_loop.call_later(Duration::ZERO, || ());
        turn(event_loop);
        let is_named = |line: &String| names_line(line, handle.location());
        let slow = warnings_when(event_loop, "callback", |found| found.iter().any(is_named));
        assert!(slow.iter().any(|line| names_line(line, handle.location())), "{slow:?}");
        // What is fast enough is not named, nor is anything without debug mode.
        event_loop.set_slow_callback_duration(Duration::MAX);
        event_loop.call_soon(|| ());
        turn(event_loop);
        event_loop.set_slow_callback_duration(Duration::ZERO);
        event_loop.set_debug(false);
        event_loop.call_soon(|| ());
        turn(event_loop);
        assert_eq!(warnings("held its thread up"), [""; 0]);
    });
}

#[test]
fn a_slow_poll_is_named_by_the_line_of_its_spawn() {
    on_each_loop(|event_loop| {
        event_loop.set_slow_callback_duration(Duration::ZERO);
        // Spawned without debug mode: not observed.
        let before = event_loop.spawn(yield_now());
        event_loop.set_debug(true);
        let line = line!() + 1;
        let (by_loop, twin) = (event_loop.spawn(async {}), event_loop.try_spawn(async {}).unwrap());
        let ids = (by_loop.id(), twin.id());
        event_loop
            .run_until_complete(async move {
                before.await.unwrap();
                by_loop.await.unwrap();
                twin.await.unwrap();
            })
            .unwrap();
        let slow = warnings_when(event_loop, "a poll of task", |found| found.len() >= 2);
        for id in [ids.0, ids.1] {
            let part = format!("task {id}, spawned at {}:{line}:", file!());
            assert!(slow.iter().any(|line| line.contains(&part)), "{part}: {slow:?}");
        }
        assert_eq!(slow.len(), 2, "{slow:?}");
        // By the ambient calls, too.
        let lines = event_loop
            .run_until_complete(async {
                let line = line!();
                let first = policy::spawn(async {});
                let second = policy::try_spawn(async {}).unwrap();
                let mut set = policy::task::JoinSet::new();
                set.spawn(async {});
                first.await.unwrap();
                second.await.unwrap();
                set.join_next().await.unwrap().unwrap();
                [line + 1, line + 2, line + 4]
            })
            .unwrap();
        let slow = warnings_when(event_loop, "a poll of task", |found| found.len() >= 3);
        for line in lines {
            let part = format!("{}:{line}:", file!());
            assert!(slow.iter().any(|line| line.contains(&part)), "{part}: {slow:?}");
        }
    });
}

#[test]
fn a_slow_poll_of_the_future_that_is_run_is_named() {
    on_each_loop(|event_loop| {
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::ZERO);
        let line = line!() + 1;
        event_loop.run_until_complete(yield_now()).unwrap();
        let part = format!("{}:{line}:", file!());
        let slow = warnings("the future that is run");
        assert!(slow.len() >= 2 && slow.iter().all(|line| line.contains(&part)), "{slow:?}");
    });
    on_each_loop(|_| {
        let mut runner = Runner::new().debug(true);
        runner.get_loop().unwrap().set_slow_callback_duration(Duration::ZERO);
        let line = line!() + 1;
        runner.run(async {}).unwrap();
        let part = format!("{}:{line}:", file!());
        let slow = warnings("the future that is run");
        assert!(slow.iter().any(|line| line.contains(&part)), "{slow:?}");
    });
}

#[test]
fn a_call_from_the_wrong_thread_is_told() {
    on_each_loop(|event_loop| {
        event_loop.set_debug(true);
        event_loop.set_slow_callback_duration(Duration::MAX);
        let inner = event_loop.clone();
        let handle = event_loop
            .run_until_complete(async move {
                let call = move || inner.call_soon(|| ());
                thread::spawn(call).join().unwrap()
            })
            .unwrap();
        let told = warnings("call_soon_threadsafe");
        if event_loop.is_self_driving() {
            assert_eq!(told, [""; 0], "a loop with threads of its own takes calls on all");
        } else {
            assert!(told.iter().any(|line| names_line(line, handle.location())), "{told:?}");
        }
    });
}

#[test]
fn the_default_handler_writes_errors() {
    on_each_loop(|event_loop| {
        let errors = || -> Vec<String> {
            let errs = |(level, line)| (level == Level::Error).then_some(line);
            said().into_iter().filter_map(errs).collect()
        };
        let handle = event_loop.call_soon(|| panic!("bad luck"));
        turn(event_loop);
        let told = errors();
        assert!(
            told.iter().any(|line| line.contains("bad luck")
                && line.contains(event_loop.name())
                && names_line(line, handle.location())),
            "{told:?}"
        );

        let task: JoinHandle<()> = event_loop.spawn(async { panic!("no luck") });
        let id = task.id();
        event_loop
            .run_until_complete(async move {
                while !task.is_finished() {
                    yield_now().await;
                }
            })
            .unwrap();
        let told = errors();
        let part = format!("task {id}");
        assert!(
            told.iter().any(|line| line.contains("no luck")
                && line.contains(&part)
                && line.contains("never retrieved")),
            "{told:?}"
        );

        event_loop.call_exception_handler(&ExceptionContext::default());
        let told = errors();
        assert!(told.iter().any(|line| line.contains("unhandled exception")), "{told:?}");

        event_loop.set_exception_handler(Some(Arc::new(|_, _| panic!("the handler itself"))));
        event_loop.call_exception_handler(&ExceptionContext::new("first of all"));
        let told = errors();
        for part in ["the handler itself", "first of all"] {
            assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:?}");
        }
    });
}

#[test]
fn a_loop_that_is_dropped_open_is_told() {
    on_each_loop(|event_loop| {
        drop(policy::new_event_loop().unwrap());
        assert_eq!(warnings("dropped open").len(), 1);
        event_loop.close().unwrap();
        assert_eq!(warnings("dropped open"), [""; 0]);
    });
}
