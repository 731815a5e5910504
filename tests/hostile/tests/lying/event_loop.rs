//! A loop says that it runs futures, and when: tasks, the future of a run, jobs, timers.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use policy::core::task::Task;
use policy::core::{Job, LoopState, Timer};
use policy::{EventLoop, LoopKind};

use crate::support::Liar;

/// Polls with a waker that does nothing.
fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that owns memory, is pending once, and must be dropped once.
fn owner(drops: &Arc<AtomicUsize>) -> impl Future<Output = Vec<u8>> + Send + use<> {
    struct Drops(Arc<AtomicUsize>);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let held = (Drops(drops.clone()), vec![7; 100]);
    let mut was_pending = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut was_pending, true) {
            return Poll::Ready(held.1.clone());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

type Handle = policy::task::JoinHandle<Vec<u8>>;

/// Spawns on a loop that does this with each task, and then drops, aborts or awaits.
fn each_end(submit: impl Fn(Task) -> Result<(), policy::Error> + Send + Sync + Clone + 'static) {
    let ends: [fn(Handle); 4] = [
        drop,
        |handle| handle.abort(),
        |handle| {
            let mut handle = pin!(handle);
            while let Poll::Ready(joined) = poll(&mut handle) {
                match joined {
                    Ok(bytes) => assert_eq!(bytes, vec![7; 100]),
                    // Cancelled, or taken already.
                    Err(_) => break,
                }
            }
        },
        |handle| {
            let aborter = handle.abort_handle();
            let other = thread::spawn(move || drop(handle));
            aborter.abort();
            other.join().unwrap();
        },
    ];
    for end in ends {
        let mut liar = Liar::new();
        liar.submit = Box::new(submit.clone());
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let drops = Arc::default();
        if let Ok(handle) = event_loop.try_spawn(owner(&drops)) {
            end(handle);
        }
        drop(event_loop);
        KEPT.lock().unwrap().clear();
        assert_eq!(drops.load(SeqCst), 1, "dropped once");
    }
}

/// What a loop keeps though it says that it does not.
static KEPT: Mutex<Vec<Box<dyn Send>>> = Mutex::new(Vec::new());

#[test]
fn a_task_is_dropped_once_whatever_becomes_of_it() {
    each_end(|task| {
        drop(task);
        Ok(())
    });
    each_end(|task| {
        KEPT.lock().unwrap().push(Box::new(task));
        Err(policy::ErrorKind::LoopClosed.into())
    });
    each_end(|mut task| {
        // Until its end, and on.
        for _ in 0..4 {
            let _polled = poll(&mut Pin::new(&mut task));
        }
        Ok(())
    });
    each_end(|mut task| {
        let _once = poll(&mut Pin::new(&mut task));
        // By another thread, and dropped by a third.
        let task = thread::spawn(move || {
            let _again = poll(&mut Pin::new(&mut task));
            task
        });
        let task = task.join().unwrap();
        thread::spawn(move || drop(task)).join().unwrap();
        Ok(())
    });
    each_end(|task| {
        let aborter = task.abort_handle();
        let mut task = Some(task);
        aborter.abort();
        let _polled = poll(&mut Pin::new(task.as_mut().unwrap()));
        drop(task.take());
        aborter.abort();
        Ok(())
    });
    each_end(|task| {
        let mut task = task;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _once = poll(&mut Pin::new(&mut task));
            panic!("the executor panics");
        }));
        drop(task);
        polled.map_err(|_| policy::ErrorKind::LoopClosed.into())
    });
}

#[test]
fn a_leaked_task_harms_nobody() {
    let mut liar = Liar::new();
    liar.submit = Box::new(|task| {
        std::mem::forget(task);
        Ok(())
    });
    let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
    let handle = event_loop.spawn(async { vec![7; 100] });
    drop(event_loop);
    let mut handle = pin!(handle);
    assert!(poll(&mut handle).is_pending());
    handle.abort();
    let _cancelled_or_not = poll(&mut handle);
}

/// What a loop does with the future that it is run for.
type Drive = fn(Pin<&mut dyn Future<Output = ()>>) -> Result<(), policy::Error>;

#[test]
fn a_run_gives_its_value_or_an_error_whatever_the_loop_does() {
    fn poll(main: &mut Pin<&mut dyn Future<Output = ()>>) -> Poll<()> {
        main.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
    let drives: [Drive; 7] = [
        |_| Ok(()),
        |mut main| {
            let _once = poll(&mut main);
            Ok(())
        },
        |mut main| {
            let _once = poll(&mut main);
            Err(policy::ErrorKind::Unsupported.into())
        },
        |mut main| {
            while poll(&mut main).is_pending() {}
            Ok(())
        },
        |mut main| {
            for _ in 0..10 {
                let _on_and_on = poll(&mut main);
            }
            Ok(())
        },
        // It has the value, and says that it failed.
        |mut main| {
            while poll(&mut main).is_pending() {}
            Err(policy::ErrorKind::Unsupported.into())
        },
        |mut main| {
            let _once = poll(&mut main);
            panic!("the executor panics")
        },
    ];
    for (at, drive) in drives.into_iter().enumerate() {
        let mut liar = Liar::new();
        liar.drive = Box::new(drive);
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let drops = Arc::default();
        let ran = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(owner(&drops))));
        match ran {
            // The first does not even poll.
            Ok(Ok(bytes)) => assert!(at > 0 && bytes == vec![7; 100], "{at}"),
            Ok(Err(error)) => println!("{at}: {error}"),
            Err(_) => println!("{at}: panicked"),
        }
        assert_eq!(drops.load(SeqCst), 1, "{at}: dropped once");
        assert!(!event_loop.is_running(), "{at}");
    }
}

#[test]
fn what_runs_on_the_thread_of_a_loop_is_dropped_once_whatever_the_loop_does() {
    fn poll(main: &mut Pin<&mut dyn Future<Output = ()>>) -> Poll<()> {
        main.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
    let drives: [Drive; 6] = [
        |_| Ok(()),
        |mut main| {
            let _once = poll(&mut main);
            Ok(())
        },
        |mut main| {
            let _once = poll(&mut main);
            Err(policy::ErrorKind::Unsupported.into())
        },
        |mut main| {
            let _ends = (0..1000).any(|_| poll(&mut main).is_ready());
            for _ in 0..10 {
                let _on_and_on = poll(&mut main);
            }
            Ok(())
        },
        |mut main| {
            let _once = poll(&mut main);
            panic!("the executor panics")
        },
        // Another loop of that kind between two polls, on this thread.
        |mut main| {
            let _once = poll(&mut main);
            let mut liar = Liar::new();
            liar.state = LoopState::new("liar", LoopKind::Selector);
            liar.drive = Box::new(|mut main| {
                let _ends = (0..1000).any(|_| poll(&mut main).is_ready());
                Ok(())
            });
            let inner: Arc<dyn EventLoop> = Arc::new(liar);
            println!("{:?}", inner.run_until_complete(async {}));
            let _ends = (0..1000).any(|_| poll(&mut main).is_ready());
            Ok(())
        },
    ];
    for (at, drive) in drives.into_iter().enumerate() {
        let mut liar = Liar::new();
        liar.state = LoopState::new("liar", LoopKind::Selector);
        liar.drive = Box::new(drive);
        // Timers that end at once, each time they are asked.
        liar.timer = Box::new(|_| Ok(Timer::new(poll_fn(|_| Poll::Ready(())))));
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let drops = Arc::new(AtomicUsize::new(0));
        let before = event_loop.spawn(owner(&drops));
        let (own, ours) = (event_loop.clone(), drops.clone());
        let main = async move {
            let held = owner(&ours);
            let task = own.spawn(owner(&ours));
            let local = own.try_spawn_local(owner(&ours));
            let aborted = own.spawn(owner(&ours));
            aborted.abort();
            own.call_soon(|| println!("called"));
            policy::time::sleep(std::time::Duration::from_millis(1)).await;
            drop((task.await, aborted.await, local));
            held.await
        };
        for _ in 0..2 {
            let again = owner(&drops);
            let _ran = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(again)));
        }
        let ran = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(main)));
        println!("{at}: {ran:?}");
        let _ = catch_unwind(AssertUnwindSafe(|| event_loop.close()));
        drop((before, event_loop));
        // Each owner has one reference more.
        assert_eq!(Arc::strong_count(&drops), 1, "{at}: each is dropped once");
    }
}

#[test]
fn a_job_runs_once_or_is_cancelled() {
    let submits: [fn(Job) -> Result<(), policy::Error>; 5] = [
        |job| {
            drop(job);
            Ok(())
        },
        |job| {
            job.run();
            Ok(())
        },
        |job| {
            job.run();
            Err(policy::ErrorKind::LimitReached.into())
        },
        |job| {
            KEPT_JOBS.lock().unwrap().push(job);
            Err(policy::ErrorKind::LimitReached.into())
        },
        |job| {
            KEPT_JOBS.lock().unwrap().push(job);
            Ok(())
        },
    ];
    for submit in submits {
        let mut liar = Liar::new();
        liar.submit_blocking = Box::new(submit);
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let other: Arc<dyn EventLoop> = Arc::new(Liar::new());
        other.set_default_executor(submit).unwrap();
        for event_loop in [event_loop, other] {
            let runs = Arc::new(AtomicUsize::new(0));
            let counted = runs.clone();
            let job = event_loop.try_spawn_blocking(move || counted.fetch_add(1, SeqCst));
            drop(event_loop);
            // Run or dropped when its loop has gone.
            let kept: Vec<Job> = std::mem::take(&mut *KEPT_JOBS.lock().unwrap());
            kept.into_iter().for_each(Job::run);
            assert!(runs.load(SeqCst) <= 1);
            if let Ok(job) = job {
                assert!(poll(&mut pin!(job)).is_ready());
            }
        }
    }
}

static KEPT_JOBS: Mutex<Vec<Job>> = Mutex::new(Vec::new());

#[test]
fn a_timer_may_end_when_it_likes() {
    type Make = fn() -> Timer;
    let timers: [Make; 5] = [
        || Timer::new(async {}),
        || Timer::new(std::future::pending()),
        // Ends again and again.
        || Timer::new(poll_fn(|_| Poll::Ready(()))),
        || Timer::new(poll_fn(|_| panic!("a timer panics"))),
        // Larger than there is room for.
        || {
            let large = [7_u8; 4096];
            Timer::new(async move { assert_eq!(std::hint::black_box(large)[4095], 7) })
        },
    ];
    for make in timers {
        let mut liar = Liar::new();
        liar.timer = Box::new(move |_| Ok(make()));
        let _inside = policy::core::context::enter(Arc::new(liar));
        let _ = catch_unwind(|| {
            let asked = std::time::Instant::now();
            let long = std::time::Duration::from_secs(3600);
            let mut sleep = pin!(policy::time::sleep(long));
            for _ in 0..4 {
                if poll(&mut sleep).is_ready() {
                    assert!(asked.elapsed() >= long, "a sleep ended early");
                }
            }
        });
        let _ = catch_unwind(|| {
            let mut limited = pin!(policy::time::timeout(
                std::time::Duration::ZERO,
                std::future::pending::<()>()
            ));
            for _ in 0..2 {
                let _ended = poll(&mut limited);
            }
        });
    }
}

/// Says that it is one loop, and then that it is another.
#[derive(Debug)]
struct TwoFaced([LoopState; 2], AtomicUsize);

impl EventLoop for TwoFaced {
    fn state(&self) -> &LoopState {
        &self.0[self.1.fetch_add(1, SeqCst) % 2]
    }

    fn drive(&self, mut main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), policy::Error> {
        while main.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        Ok(())
    }

    fn submit(&self, task: Task) -> Result<(), policy::Error> {
        drop(task);
        Ok(())
    }

    fn submit_blocking(&self, job: Job) -> Result<(), policy::Error> {
        job.run();
        Ok(())
    }

    fn timer(&self, _: std::time::Instant) -> Result<Timer, policy::Error> {
        Ok(Timer::new(async {}))
    }

    fn shutdown(&self, _: std::time::Duration) {}
}

#[test]
fn a_loop_that_is_two_harms_nobody() {
    let states = || LoopState::new("two-faced", LoopKind::Selector);
    for first in 0..2 {
        let faces = TwoFaced([states(), states()], AtomicUsize::new(first));
        let event_loop: Arc<dyn EventLoop> = Arc::new(faces);
        let own = event_loop.clone();
        let drops = Arc::default();
        let owner = owner(&drops);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run_until_complete(async move {
                let task = own.try_spawn(async { 1 });
                let soon = own.try_call_soon(|| {});
                let later = own.try_call_later(std::time::Duration::ZERO, || {});
                let job = own.try_spawn_blocking(|| 1);
                drop((task, soon, later, job));
                owner.await
            })
        }));
        println!("{ran:?}");
        let _ = catch_unwind(AssertUnwindSafe(|| event_loop.close()));
        drop(event_loop);
        assert_eq!(drops.load(SeqCst), 1, "dropped once");
    }
}

// It was polled after its end, or waited for what nobody would wake.
#[test]
fn a_future_that_a_thread_blocks_for_is_polled_once_at_a_time_or_refused() {
    for polls in [0, 1, 2, 3] {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut liar = Liar::new();
        liar.polls_inside = polls;
        let kept = Mutex::new(Vec::new());
        liar.submit = Box::new(move |task| {
            kept.lock().unwrap().push(task);
            Ok(())
        });
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let ended = event_loop.block_on(owner(&drops));
        match polls {
            0 => assert_eq!(ended.unwrap_err().kind(), policy::ErrorKind::Unsupported),
            _ => assert_eq!(ended.unwrap(), vec![7; 100]),
        }
        assert_eq!(drops.load(SeqCst), 1);
    }
}
