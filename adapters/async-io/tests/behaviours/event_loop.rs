//! What a loop does while it is open.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use policy_core::task::JoinHandle;
use policy_core::{ErrorKind, context};

use super::common::HANG;
use super::{Make, another, on_each_kind, on_each_loop, on_each_self_driving_loop};

#[test]
fn a_future_runs_to_its_result() {
    on_each_loop(|event_loop| {
        assert_eq!(event_loop.run_until_complete(async { 6 * 7 }).unwrap(), 42);
    });
}

#[test]
fn a_task_gives_its_result() {
    on_each_loop(|event_loop| {
        let handle = event_loop.spawn(async { 6 * 7 });
        assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 42);
    });
}

#[test]
fn tasks_spawn_tasks() {
    on_each_loop(|event_loop| {
        let outer = event_loop.spawn({
            let event_loop = event_loop.clone();
            async move { event_loop.spawn(async { 6 * 7 }).await.unwrap() }
        });
        assert_eq!(event_loop.run_until_complete(outer).unwrap().unwrap(), 42);
    });
}

#[test]
fn a_loop_with_threads_runs_tasks_while_nobody_drives_it() {
    on_each_self_driving_loop(|event_loop| {
        let (tell, wait) = mpsc::channel();
        drop(event_loop.spawn(async move {
            tell.send(context::running().map(|event_loop| event_loop.state().id())).unwrap();
        }));
        let found = wait.recv_timeout(HANG).unwrap();
        assert_eq!(found, Some(event_loop.state().id()));
    });
}

#[test]
fn a_task_stays_suspended_between_runs() {
    on_each_loop(|event_loop| {
        let (tell, wait) = async_channel();
        let handle = event_loop.spawn(wait);
        event_loop.run_until_complete(future::yield_now()).unwrap();
        assert!(!handle.is_finished());
        tell(7);
        assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 7);
    });
}

#[test]
fn a_panic_of_a_task_is_a_value_and_the_loop_goes_on() {
    on_each_loop(|event_loop| {
        let handle = event_loop.spawn(async { panic!("as asked") });
        let error = event_loop.run_until_complete(handle).unwrap().unwrap_err();
        assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"as asked"));
        let handle = event_loop.spawn(async { 1 });
        assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 1);
    });
}

#[test]
fn a_task_whose_handle_is_dropped_runs_on() {
    on_each_loop(|event_loop| {
        let (tell, wait) = async_channel();
        drop(event_loop.spawn(async move { tell(7) }));
        assert_eq!(event_loop.run_until_complete(wait).unwrap(), 7);
    });
}

#[test]
fn tasks_find_their_loop() {
    on_each_loop(|event_loop| {
        let id = event_loop.state().id();
        let handle = event_loop
            .spawn(async { context::running().map(|event_loop| event_loop.state().id()) });
        assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), Some(id));
    });
}

#[test]
fn of_two_timers_the_earlier_fires_first() {
    on_each_loop(|event_loop| {
        let now = Instant::now();
        let late = event_loop.timer(now + Duration::from_secs(3600)).unwrap();
        let soon = event_loop.timer(now + Duration::from_millis(5)).unwrap();
        let first = future::or(
            async {
                late.await;
                "late"
            },
            async {
                soon.await;
                "soon"
            },
        );
        assert_eq!(event_loop.run_until_complete(first).unwrap(), "soon");
        assert!(now.elapsed() >= Duration::from_millis(5));
    });
}

#[test]
fn tasks_that_are_always_ready_leave_time_for_timers_and_for_the_main_future() {
    on_each_loop(|event_loop| {
        let busy: Vec<_> = (0..3)
            .map(|_| {
                event_loop.spawn(async {
                    loop {
                        future::yield_now().await;
                    }
                })
            })
            .collect();
        let timer = event_loop.timer(Instant::now() + Duration::from_millis(5)).unwrap();
        event_loop.run_until_complete(timer).unwrap();
        event_loop.run_until_complete(future::yield_now()).unwrap();
        busy.iter().for_each(JoinHandle::abort);
    });
}

#[test]
fn a_main_future_that_is_always_ready_leaves_time_for_timers_and_for_tasks() {
    on_each_loop(|event_loop| {
        let timer = event_loop.timer(Instant::now() + Duration::from_millis(5)).unwrap();
        let task = event_loop.spawn(timer);
        event_loop
            .run_until_complete(async {
                let local = event_loop.spawn_local(future::yield_now());
                while !(task.is_finished() && local.is_finished()) {
                    future::yield_now().await;
                }
            })
            .unwrap();
    });
}

#[test]
fn a_timer_of_the_past_is_ready() {
    on_each_loop(|event_loop| {
        let timer = event_loop.timer(Instant::now()).unwrap();
        event_loop.run_until_complete(timer).unwrap();
    });
}

#[test]
fn a_blocking_job_runs_on_a_thread_of_the_pool() {
    on_each_loop(|event_loop| {
        let job = event_loop.spawn_blocking(|| thread::current().name().map(str::to_owned));
        let name = event_loop.run_until_complete(job).unwrap().unwrap();
        assert_eq!(name.as_deref(), Some("policy-blocking"));
    });
}

#[test]
fn many_blocking_jobs_block_at_once() {
    on_each_loop(|event_loop| {
        // Each waits for all: fewer threads than jobs would hang here.
        let barrier = Arc::new(std::sync::Barrier::new(20));
        let jobs: Vec<_> = (0..20)
            .map(|_| {
                let barrier = barrier.clone();
                event_loop.spawn_blocking(move || barrier.wait().is_leader())
            })
            .collect();
        for job in jobs {
            event_loop.run_until_complete(job).unwrap().unwrap();
        }
    });
}

#[test]
fn a_loop_runs_inside_a_plain_block_on() {
    on_each_loop(|event_loop| {
        futures_lite::future::block_on(async {
            let handle = event_loop.spawn(async { 6 * 7 });
            assert_eq!(event_loop.run_until_complete(handle).unwrap().unwrap(), 42);
        });
    });
}

#[test]
fn a_loop_inside_a_loop_is_refused() {
    on_each_loop(|event_loop| {
        let inner = another();
        event_loop
            .run_until_complete(async {
                let error = inner.run_until_complete(async {}).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OtherLoopRunning);
                let error = event_loop.run_until_complete(async {}).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
            })
            .unwrap();
        inner.close().unwrap();
    });
}

#[test]
fn a_loop_that_runs_in_the_destructor_of_a_thread_local_works_or_gives_an_error() {
    struct AtEnd(Make, mpsc::Sender<Result<i32, ErrorKind>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let event_loop = self.0();
            let result = event_loop.run_until_complete(async { 42 });
            self.1.send(result.map_err(|error| error.kind())).unwrap();
            event_loop.close().unwrap();
        }
    }
    thread_local!(static AT_END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) });

    on_each_kind(|make| {
        // Whichever thread-local is destroyed first, theirs or this one.
        for loop_first in [false, true] {
            let (tell, wait) = mpsc::channel();
            thread::spawn(move || {
                let run = || {
                    let event_loop = make();
                    event_loop.run_until_complete(async {}).unwrap();
                    event_loop.close().unwrap();
                };
                if loop_first {
                    run();
                }
                AT_END.set(Some(AtEnd(make, tell)));
                if !loop_first {
                    run();
                }
            })
            .join()
            .unwrap();
            let result = wait.recv_timeout(HANG).unwrap();
            assert!(matches!(result, Ok(42) | Err(ErrorKind::WrongThread)), "{result:?}");
        }
    });
}

#[test]
fn loops_on_two_threads_await_each_other() {
    on_each_kind(|make| {
        for &make_other in crate::LOOPS {
            let (first, second) = (make(), make_other());
            let task = second.spawn(async { 6 });
            let other = first.spawn(async move { task.await.unwrap() * 7 });
            let runs = thread::spawn({
                let second = second.clone();
                move || second.run_until_complete(other).unwrap().unwrap()
            });
            first.run_until_complete(async {}).unwrap();
            while !runs.is_finished() {
                first.run_until_complete(future::yield_now()).unwrap();
            }
            assert_eq!(runs.join().unwrap(), 42);
            first.close().unwrap();
            second.close().unwrap();
        }
    });
}

#[test]
fn a_stop_ends_a_run_from_another_thread() {
    on_each_loop(|event_loop| {
        let stopper = thread::spawn({
            let event_loop = event_loop.clone();
            move || {
                while !event_loop.is_running() {
                    thread::yield_now();
                }
                event_loop.stop();
            }
        });
        event_loop.run_forever().unwrap();
        stopper.join().unwrap();
    });
}

/// A channel for one value whose receiver is a future.
fn async_channel<T: Send + 'static>() -> (impl FnOnce(T) + Send, impl Future<Output = T> + Send) {
    use std::sync::Mutex;
    use std::task::{Poll, Waker};

    let slot = Arc::new(Mutex::new((None::<T>, None::<Waker>)));
    let tell = {
        let slot = slot.clone();
        move |value| {
            let waker = {
                let mut slot = slot.lock().unwrap();
                slot.0 = Some(value);
                slot.1.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
    };
    let wait = std::future::poll_fn(move |cx| {
        let mut slot = slot.lock().unwrap();
        match slot.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    });
    (tell, wait)
}
