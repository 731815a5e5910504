//! What sets a loop on compio apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use policy_compio::{CompioPolicy, Driver, ProactorEventLoop};
use policy_core::{ErrorKind, EventLoop, EventLoopPolicy, LoopKind};

/// Far longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(30);

fn driver(event_loop: &Arc<dyn EventLoop>) -> Option<Driver> {
    event_loop.downcast_ref::<ProactorEventLoop>().expect("a loop of this crate").driver()
}

#[test]
fn loops_are_named_as_they_are_chosen() {
    let name = |event_loop: Arc<dyn EventLoop>| {
        assert_eq!(event_loop.kind(), LoopKind::Proactor);
        let name = event_loop.name().to_owned();
        event_loop.close().unwrap();
        name
    };
    assert_eq!(name(ProactorEventLoop::new().unwrap()), "compio");
    assert_eq!(name(CompioPolicy::default().new_event_loop().unwrap()), "compio");
    #[cfg(unix)]
    {
        let policy = CompioPolicy::new().driver(Driver::Polling);
        assert_eq!(name(policy.new_event_loop().unwrap()), "compio:polling");
        let refused = CompioPolicy::new().driver(Driver::Iocp).new_event_loop().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("iocp"), "{refused}");
    }
}

#[test]
fn a_loop_says_which_driver_it_got_once_it_has_run() {
    let event_loop = ProactorEventLoop::new().unwrap();
    assert_eq!(driver(&event_loop), None);
    event_loop.run_until_complete(async {}).unwrap();
    let got = driver(&event_loop).unwrap();
    assert!(!cfg!(target_os = "linux") || matches!(got, Driver::IoUring | Driver::Polling));
    event_loop.close().unwrap();
    assert_eq!(driver(&event_loop), Some(got), "and later too");
}

#[cfg(unix)]
#[test]
fn a_driver_that_is_asked_for_is_the_one_that_it_gets() {
    let event_loop = CompioPolicy::new().driver(Driver::Polling).new_event_loop().unwrap();
    event_loop.run_until_complete(async {}).unwrap();
    assert_eq!(driver(&event_loop), Some(Driver::Polling));
    let proactor = event_loop.proactor().unwrap();
    assert_eq!((proactor.is_native(), proactor.driver()), (false, "polling"));
    event_loop.close().unwrap();
}

#[test]
fn a_loop_stays_on_its_thread_until_that_ends() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let (leave, left) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let home = thread::spawn({
        let event_loop = event_loop.clone();
        move || {
            let task = event_loop.spawn(pending::<()>());
            event_loop.run_until_complete(future::yield_now()).unwrap();
            tell.send(task).unwrap();
            left.recv().unwrap();
            event_loop.run_until_complete(future::yield_now()).unwrap();
        }
    });
    let task = told.recv_timeout(HANG).unwrap();
    let mut polled = false;
    let refused = event_loop.run_until_complete(async { polled = true }).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongThread);
    assert!(!polled);
    leave.send(()).unwrap();
    home.join().unwrap();
    event_loop.run_until_complete(async { polled = true }).unwrap();
    assert!(polled);
    // Its tasks have come along.
    assert!(!task.is_finished());
    event_loop.close().unwrap();
    assert!(task.is_finished());
}

#[test]
fn a_run_inside_a_compio_runtime_is_refused() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let runtime = compio_runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(async { event_loop.run_until_complete(async {}) });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::OtherLoopRunning);
    // Beside it nothing is wrong.
    event_loop.run_until_complete(async {}).unwrap();
    event_loop.close().unwrap();
}

#[test]
fn compios_own_functions_work_in_tasks() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let answer = event_loop.run_until_complete(async {
        let local = event_loop.spawn_local(async {
            let inner = compio_runtime::spawn(async {
                future::yield_now().await;
                6
            });
            inner.await.unwrap()
        });
        // One that spins leaves time for the rest.
        compio_runtime::spawn(async {
            loop {
                future::yield_now().await;
            }
        })
        .detach();
        event_loop.timer(Instant::now() + Duration::from_millis(5)).unwrap().await;
        local.await.unwrap() * 7
    });
    assert_eq!(answer.unwrap(), 42);
    event_loop.close().unwrap();
}

/// compio's own executor has room for 64 wake-ups from other threads. Whoever comes
/// later spins, until the loop runs.
#[test]
fn any_number_of_wake_ups_wait_for_the_next_run() {
    const TASKS: usize = 1000;
    let event_loop = ProactorEventLoop::new().unwrap();
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let woken = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (wakers, woken) = (wakers.clone(), woken.clone());
            let mut first = true;
            event_loop.spawn(poll_fn(move |cx| {
                if std::mem::take(&mut first) {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    return Poll::Pending;
                }
                woken.fetch_add(1, Ordering::SeqCst);
                Poll::Ready(())
            }))
        })
        .collect();
    while wakers.lock().unwrap().len() < TASKS {
        event_loop.run_until_complete(future::yield_now()).unwrap();
    }
    let wakes = thread::spawn({
        let wakers = wakers.clone();
        // Under a lock, which tasks take too: as channels do.
        move || wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref)
    });
    wakes.join().unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 0, "nobody ran the loop");
    event_loop
        .run_until_complete(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), TASKS);
    event_loop.close().unwrap();
}

#[test]
fn a_timer_is_polled_on_any_thread() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let polls = thread::spawn({
        let event_loop = event_loop.clone();
        move || {
            for n in 0..50 {
                let deadline = Instant::now() + Duration::from_micros(200 * n);
                async_io::block_on(event_loop.timer(deadline).unwrap());
                assert!(Instant::now() >= deadline);
            }
            event_loop.stop();
        }
    });
    event_loop.run_forever().unwrap();
    polls.join().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_loop_closed_elsewhere_takes_its_tasks_with_it() {
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }
    let event_loop = ProactorEventLoop::new().unwrap();
    let (tell, told) = mpsc::channel();
    let (tell_local, told_local) = mpsc::channel();
    let (tells, tells_local) = (Tells(tell), Tells(tell_local));
    let here = thread::current().id();
    event_loop
        .run_until_complete(async {
            drop(event_loop.spawn(async move {
                let _tells = tells;
                pending::<()>().await;
            }));
            drop(event_loop.spawn_local(async move {
                let _tells = (tells_local, Rc::new(Cell::new(0)));
                pending::<()>().await;
            }));
            future::yield_now().await;
        })
        .unwrap();
    let closer = thread::spawn(move || {
        event_loop.close().unwrap();
        thread::current().id()
    });
    assert_eq!(told.recv_timeout(HANG).unwrap(), closer.join().unwrap());
    // The local one is this thread's, and goes when that runs another loop.
    assert!(told_local.try_recv().is_err());
    let other = ProactorEventLoop::new().unwrap();
    other.run_until_complete(async {}).unwrap();
    assert_eq!(told_local.recv_timeout(HANG).unwrap(), here);
    other.close().unwrap();
}

#[test]
fn tasks_that_wake_and_spawn_while_they_are_dropped_harm_nobody() {
    /// Wakes another task, and spawns, when it is dropped.
    struct Meddles(Arc<dyn EventLoop>, Arc<Mutex<Vec<Waker>>>);
    impl Drop for Meddles {
        fn drop(&mut self) {
            self.1.lock().unwrap().iter().for_each(Waker::wake_by_ref);
            assert!(self.0.try_spawn(async {}).is_err());
            drop(self.0.spawn_local(async {}));
        }
    }
    for elsewhere in [false, true] {
        let event_loop = ProactorEventLoop::new().unwrap();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let meddler = || {
            let (meddles, wakers) = (Meddles(event_loop.clone(), wakers.clone()), wakers.clone());
            poll_fn(move |cx| {
                let _meddles = &meddles;
                wakers.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })
        };
        event_loop
            .run_until_complete(async {
                for _ in 0..20 {
                    drop(event_loop.spawn(meddler()));
                    drop(event_loop.spawn_local(meddler()));
                }
                for _ in 0..5 {
                    future::yield_now().await;
                }
            })
            .unwrap();
        let close = || event_loop.close().unwrap();
        match elsewhere {
            true => thread::scope(|scope| scope.spawn(close).join().unwrap()),
            false => close(),
        }
    }
}

#[test]
fn wake_ups_from_many_threads_are_not_lost() {
    let event_loop = ProactorEventLoop::new().unwrap();
    let (ask, asked) = mpsc::channel::<Waker>();
    let wakes = thread::spawn(move || asked.into_iter().for_each(Waker::wake));
    let rounds = |n: usize| {
        let ask = ask.clone();
        async move {
            for _ in 0..n {
                let mut asked = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut asked, true) {
                        return Poll::Ready(());
                    }
                    ask.send(cx.waker().clone()).unwrap();
                    Poll::Pending
                })
                .await;
            }
        }
    };
    let tasks: Vec<_> = (0..4).map(|_| event_loop.spawn(rounds(5_000))).collect();
    within_limit(&event_loop, rounds(5_000));
    for task in tasks {
        within_limit(&event_loop, async { task.await.unwrap() });
    }
    event_loop.close().unwrap();
    drop(ask);
    wakes.join().unwrap();
}

fn within_limit<T>(event_loop: &Arc<dyn EventLoop>, future: impl Future<Output = T>) -> T {
    let limit = event_loop.timer(Instant::now() + HANG).unwrap();
    let guarded = future::or(async { Some(future.await) }, async {
        limit.await;
        None
    });
    event_loop.run_until_complete(guarded).unwrap().expect("a wake-up was lost")
}
