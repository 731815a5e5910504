//! Running, stopping and closing a loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use policy::{ErrorKind, with_event_loop_policy};

use crate::Make;
use crate::support::{
    Flag, Gate, block_on, driven, in_thread, is_cancelled, kind, new_loop, on_loop, run,
};

/// `run` returns what the future returns, an error value included; it may be called
/// on any thread, and makes a loop of its own each time, closed at the end.
///
/// Proves: B51, B64
pub fn run_returns_the_value_on_a_new_loop_each_time(make: Make<'_>) {
    with_event_loop_policy(make(), || {
        let (value, first) = policy::run(async { (6 * 7, policy::get_running_loop().unwrap()) });
        assert_eq!(value, 42);
        assert!(first.is_closed());
        let failed: Result<(), &str> = policy::try_run(async { Err("an error") }).unwrap();
        assert_eq!(failed, Err("an error"));
        let second = policy::run(async { policy::get_running_loop().unwrap() });
        assert_ne!(first.state().id(), second.state().id());
        assert!(policy::get_running_loop().is_err());
    });
}

/// The main future may borrow, and need not be `Send`.
///
/// Proves: B52
pub fn the_main_future_may_borrow_and_stay_on_its_thread(make: Make<'_>) {
    let mut counted = 0;
    let shared = Rc::new(1);
    let here = thread::current().id();
    run(make, async {
        for _ in 0..10 {
            policy::task::yield_now().await;
            counted += *shared;
            assert_eq!(thread::current().id(), here);
        }
    });
    assert_eq!(counted, 10);
}

/// A panic of the main future is raised with its payload, after the loop was closed.
///
/// Proves: B51, B66
pub fn a_panic_of_main_is_raised_after_the_loop_was_closed(make: Make<'_>) {
    let seen = std::sync::Mutex::new(None);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        with_event_loop_policy(make(), || {
            policy::run(async {
                *seen.lock().unwrap() = policy::get_running_loop().ok();
                std::panic::panic_any(7_u32);
            })
        })
    }));
    assert_eq!(*caught.unwrap_err().downcast::<u32>().unwrap(), 7);
    assert!(seen.lock().unwrap().as_ref().unwrap().is_closed());
    assert!(policy::get_running_loop().is_err());
}

/// A loop whose main future panicked can be run again, and its tasks are still there.
///
/// Proves: B66, B94
pub fn a_loop_is_usable_after_a_panic_of_main(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let gate = Gate::default();
        let waits = gate.clone();
        let task = event_loop.spawn(async move {
            waits.wait().await;
            1
        });
        let caught = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run_until_complete(async { panic!("main") })
        }));
        let payload = caught.map(|_: Result<(), _>| ()).unwrap_err();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "main");
        assert!(!event_loop.is_running() && !event_loop.is_closed());
        gate.open();
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 1);
    });
}

/// Running a loop inside itself is refused; the future is not polled, and the outer
/// run goes on.
///
/// Proves: B76, B78
pub fn a_loop_is_not_run_inside_itself(make: Make<'_>) {
    on_loop(make, |event_loop| {
        event_loop
            .run_until_complete(async {
                let polled = Flag::default();
                let nested = event_loop.run_until_complete(async { polled.set() });
                assert_eq!(kind(nested), ErrorKind::AlreadyRunning);
                assert_eq!(kind(event_loop.run_forever()), ErrorKind::AlreadyRunning);
                assert!(!polled.is_set());
                assert!(event_loop.is_running());
                assert!(Arc::ptr_eq(&policy::get_running_loop().unwrap(), event_loop));
                policy::task::yield_now().await;
                assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
            })
            .unwrap();
    });
}

/// Running another loop inside a running one is refused, in the main future and in a
/// task; the other loop is as it was.
///
/// Proves: B77, B78
pub fn another_loop_is_not_run_inside_a_running_one(make: Make<'_>) {
    on_loop(make, |other| {
        run(make, async {
            let polled = Flag::default();
            let nested = other.run_until_complete(async { polled.set() });
            assert_eq!(kind(nested), ErrorKind::OtherLoopRunning);
            let inside = other.clone();
            let in_task = policy::spawn(async move { kind(inside.run_forever()) });
            assert_eq!(in_task.await.unwrap(), ErrorKind::OtherLoopRunning);
            assert!(!polled.is_set() && !other.is_running() && !other.is_closed());
        });
        assert_eq!(other.run_until_complete(async { 1 }).unwrap(), 1);
    });
}

/// `policy::run` inside a running loop is refused before a loop is made.
///
/// Proves: B53, B54
pub fn run_inside_a_running_loop_is_refused(make: Make<'_>) {
    struct Counts(Arc<dyn policy::EventLoopPolicy>, AtomicUsize);
    impl policy::EventLoopPolicy for Counts {
        fn base(&self) -> Option<&dyn policy::EventLoopPolicy> {
            Some(&*self.0)
        }
        fn new_event_loop(&self) -> Result<Arc<dyn policy::EventLoop>, policy::Error> {
            self.1.fetch_add(1, SeqCst);
            self.0.new_event_loop()
        }
    }
    let counts = Arc::new(Counts(make(), AtomicUsize::new(0)));
    let policy: Arc<dyn policy::EventLoopPolicy> = counts.clone();
    with_event_loop_policy(policy, || {
        policy::run(async {
            let polled = Flag::default();
            let nested = policy::try_run(async { polled.set() });
            assert_eq!(kind(nested), ErrorKind::OtherLoopRunning);
            assert!(!polled.is_set());
            let payload = catch_unwind(AssertUnwindSafe(|| policy::run(async {}))).unwrap_err();
            let message = payload.downcast::<String>().unwrap();
            assert!(message.contains("running"), "{message}");
            assert!(policy::get_running_loop().unwrap().is_running());
        });
    });
    assert_eq!(counts.1.load(SeqCst), 1);
}

/// A loop that is run by one thread is not run by another, nor closed.
///
/// Proves: B65, B75, B76
pub fn a_running_loop_is_neither_run_nor_closed_by_another_thread(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            assert!(event_loop.is_running());
            let polled = Flag::default();
            let second = event_loop.run_until_complete(async { polled.set() });
            assert_eq!(kind(second), ErrorKind::AlreadyRunning);
            assert_eq!(kind(event_loop.run_forever()), ErrorKind::AlreadyRunning);
            assert_eq!(kind(event_loop.close()), ErrorKind::CloseWhileRunning);
            assert!(!polled.is_set() && !event_loop.is_closed());
            assert_eq!(block_on(event_loop.spawn(async { 1 })).unwrap(), 1, "nothing changed");
        });
        assert!(!event_loop.is_running());
    });
}

/// A loop can't be closed from within; it goes on.
///
/// Proves: B65, B75
pub fn a_loop_is_not_closed_from_within(make: Make<'_>) {
    on_loop(make, |event_loop| {
        event_loop
            .run_until_complete(async {
                assert_eq!(kind(event_loop.close()), ErrorKind::CloseWhileRunning);
                let inside = event_loop.clone();
                let task = policy::spawn(async move { kind(inside.close()) });
                assert_eq!(task.await.unwrap(), ErrorKind::CloseWhileRunning);
            })
            .unwrap();
        assert!(!event_loop.is_closed());
    });
}

/// Two loops run at once in two threads.
///
/// Proves: B77
pub fn two_loops_run_at_once_in_two_threads(make: Make<'_>) {
    let (ping, pong) = (Gate::default(), Gate::default());
    thread::scope(|scope| {
        let (there_ping, there_pong) = (ping.clone(), pong.clone());
        scope.spawn(move || {
            run(make, async {
                there_ping.wait().await;
                there_pong.open();
            })
        });
        run(make, async {
            ping.open();
            pong.wait().await;
        });
    });
}

/// A closed loop runs nothing, takes nothing and says so; what needs no loop still
/// works; closing it again does nothing.
///
/// Proves: B74, B75
pub fn a_closed_loop_says_so_however_it_is_used(make: Make<'_>) {
    let event_loop = new_loop(make);
    let polled = Flag::default();
    event_loop.close().unwrap();
    assert!(event_loop.is_closed() && !event_loop.is_running());
    let closed = ErrorKind::LoopClosed;

    let never = polled.clone();
    assert_eq!(kind(event_loop.run_until_complete(async move { never.set() })), closed);
    assert_eq!(kind(event_loop.run_forever()), closed);
    let never = polled.clone();
    assert_eq!(kind(event_loop.try_spawn(async move { never.set() })), closed);
    assert_eq!(kind(event_loop.try_spawn_local(async {})), closed);
    let never = polled.clone();
    assert_eq!(kind(event_loop.try_spawn_blocking(move || never.set())), closed);

    let (never, dropped) = (polled.clone(), Flag::default());
    let held = dropped.on_drop();
    assert!(is_cancelled(event_loop.spawn(async move {
        never.set();
        drop(held);
    })));
    assert!(dropped.is_set(), "the future is dropped, and at once");
    let never = polled.clone();
    assert!(is_cancelled(event_loop.spawn_blocking(move || never.set())));
    assert!(is_cancelled(event_loop.spawn_local(async {})));
    assert!(!polled.is_set());

    event_loop.stop();
    event_loop.set_debug(true);
    assert!(event_loop.get_debug());
    assert!(!event_loop.name().is_empty());
    event_loop.close().unwrap();
    assert!(event_loop.is_closed());
}

/// Tasks wait between two runs and go on in the next.
///
/// Proves: B72, B79
pub fn tasks_persist_between_runs(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let (started, gate) = (Gate::default(), Gate::default());
        let (began, waits) = (started.clone(), gate.clone());
        let task = event_loop
            .run_until_complete(async move {
                let task = policy::spawn(async move {
                    began.open();
                    waits.wait().await;
                    "second run"
                });
                started.wait().await;
                task
            })
            .unwrap();
        assert!(!task.is_finished());
        gate.open();
        assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), "second run");
    });
}

/// `is_running` is true during a run, seen from everywhere, and false outside.
///
/// Proves: B50, B78
pub fn a_loop_knows_whether_it_runs(make: Make<'_>) {
    on_loop(make, |event_loop| {
        assert!(!event_loop.is_running());
        event_loop
            .run_until_complete(async {
                assert!(event_loop.is_running());
                in_thread(|| assert!(event_loop.is_running()));
                let inside = event_loop.clone();
                assert!(policy::spawn(async move { inside.is_running() }).await.unwrap());
            })
            .unwrap();
        assert!(!event_loop.is_running());
    });
}

/// A loop may be run by one thread after another.
///
/// Proves: B64, B76
pub fn a_loop_may_be_run_by_one_thread_after_another(make: Make<'_>) {
    on_loop(make, |event_loop| {
        for n in 0..3 {
            let found = in_thread(|| event_loop.run_until_complete(async { n }));
            match found {
                Ok(found) => assert_eq!(found, n),
                // A loop that is bound to the thread of its first run says so.
                Err(error) => assert_eq!(error.kind(), ErrorKind::WrongThread),
            }
        }
    });
}

/// Of two threads that run a loop at the same moment one is refused, or both run in
/// turn: never both at once.
///
/// Proves: B76
pub fn two_threads_that_race_to_run_a_loop_do_not_both(make: Make<'_>) {
    on_loop(make, |event_loop| {
        let inside = AtomicUsize::new(0);
        let ran = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let result = event_loop.run_until_complete(async {
                            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two runs at once");
                            policy::task::yield_now().await;
                            inside.fetch_sub(1, SeqCst);
                        });
                        match result {
                            Ok(()) => _ = ran.fetch_add(1, SeqCst),
                            Err(error) => assert!(matches!(
                                error.kind(),
                                ErrorKind::AlreadyRunning | ErrorKind::WrongThread
                            )),
                        }
                    }
                });
            }
        });
        assert!(ran.load(SeqCst) > 0);
    });
}

/// `run_forever` on two threads at once: one runs until it is stopped, the other is
/// refused at once.
///
/// Proves: B76, B78
pub fn two_threads_do_not_run_a_loop_for_ever(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            for _ in 0..10 {
                assert_eq!(kind(event_loop.run_forever()), ErrorKind::AlreadyRunning);
                assert!(event_loop.is_running(), "a refused run ended the other");
            }
            assert_eq!(block_on(event_loop.spawn(async { 1 })).unwrap(), 1);
        });
        assert!(!event_loop.is_running());
    });
}

/// What went wrong is said in words that end in a remedy, one for each state.
///
/// Proves: B74, B75, B76, B77, B79
pub fn each_state_has_words_of_its_own(make: Make<'_>) {
    let (event_loop, other) = (new_loop(make), new_loop(make));
    let (one, two) = (event_loop.clone(), other.clone());
    let mut said = event_loop
        .run_until_complete(async move {
            let errors = [
                one.run_until_complete(async {}).unwrap_err(),
                two.run_until_complete(async {}).unwrap_err(),
                one.close().unwrap_err(),
            ];
            errors.map(|error| error.to_string()).to_vec()
        })
        .unwrap();
    event_loop.stop();
    let stopped = event_loop.run_until_complete(std::future::pending::<()>()).unwrap_err();
    event_loop.close().unwrap();
    other.close().unwrap();
    let closed = event_loop.run_until_complete(async {}).unwrap_err();
    said.extend([stopped.to_string(), closed.to_string()]);
    let parts = [
        "already running",
        "another event loop is running",
        "running event loop can't be closed",
        "stopped before the future completed",
        "event loop is closed",
    ];
    for (said, part) in said.iter().zip(parts) {
        assert!(said.contains(part), "{said:?} does not say {part:?}");
        assert!(said.contains("; "), "{said:?} ends in no remedy");
    }
}
