//! Wake-ups and turns: who is woken is polled, and nobody is starved.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use policy::get_running_loop;
use policy::task::yield_now;

use crate::Make;
use crate::support::{Flag, Gate, Log, block_on, driven, in_thread, new_loop, on_loop, run};

/// Spawning from another thread wakes a loop that sleeps, each time.
///
/// Proves: B89
pub fn spawning_from_another_thread_wakes_a_sleeping_loop(make: Make<'_>) {
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            for n in 0..200 {
                assert_eq!(block_on(event_loop.spawn(async move { n })).unwrap(), n);
            }
        });
    });
}

/// A waker that is used on another thread wakes a loop that sleeps, each time: that of
/// main, and that of a task.
///
/// Proves: B89
pub fn waking_from_another_thread_wakes_a_sleeping_loop(make: Make<'_>) {
    for in_task in [false, true] {
        let (ask, asked) = async_channel::bounded::<usize>(1);
        let (answer, answers) = async_channel::bounded(1);
        let asks = async move {
            for n in 0..200 {
                ask.send(n).await.unwrap();
                assert_eq!(answers.recv().await.unwrap(), n * 2);
            }
        };
        let answerer = thread::spawn(move || {
            while let Ok(n) = asked.recv_blocking() {
                answer.send_blocking(n * 2).unwrap();
            }
        });
        match in_task {
            true => run(make, async { policy::spawn(asks).await.unwrap() }),
            false => run(make, asks),
        }
        answerer.join().unwrap();
    }
}

/// `yield_now` lets the others run: two tasks that yield on one thread take turns.
///
/// Proves: asyncio's `sleep(0)`
pub fn tasks_that_yield_take_turns(make: Make<'_>) {
    run(make, async {
        let log = Log::default();
        let worker = |name: &'static str| {
            let log = log.clone();
            async move {
                for _ in 0..50 {
                    log.add(name);
                    yield_now().await;
                }
            }
        };
        let (a, b) = (policy::spawn(worker("a")), policy::spawn(worker("b")));
        a.await.unwrap();
        b.await.unwrap();
        let order = log.take();
        assert_eq!(order.len(), 100);
        if !get_running_loop().unwrap().is_self_driving() {
            // Some unfairness is an executor's right; a monopoly is not.
            let longest = order.chunk_by(|x, y| x == y).map(<[_]>::len).max().unwrap();
            assert!(longest < 20, "one of two tasks that yield ran {longest} times in a row");
        }
    });
}

/// A task that yields for ever starves nobody: not other tasks, not main, not what
/// comes from other threads.
///
/// Proves: asyncio's `sleep(0)`
pub fn a_task_that_yields_starves_nobody(make: Make<'_>) {
    run(make, async {
        let done = Flag::default();
        let stop = done.clone();
        let spins = policy::spawn(async move {
            while !stop.is_set() {
                yield_now().await;
            }
        });
        assert_eq!(policy::spawn(async { 1 }).await.unwrap(), 1);
        let (send, receive) = async_channel::bounded(1);
        let sender = thread::spawn(move || send.send_blocking(2).unwrap());
        assert_eq!(receive.recv().await.unwrap(), 2);
        policy::time::sleep(std::time::Duration::from_millis(1)).await;
        assert_eq!(policy::spawn_blocking(|| 3).await.unwrap(), 3);
        done.set();
        spins.await.unwrap();
        sender.join().unwrap();
    });
}

/// Main that yields for ever starves no task.
///
/// Proves: asyncio's `sleep(0)`
pub fn a_main_that_yields_starves_nobody(make: Make<'_>) {
    run(make, async {
        let done = Flag::default();
        let ends = done.clone();
        drop(policy::spawn(async move {
            yield_now().await;
            policy::time::sleep(std::time::Duration::from_millis(1)).await;
            ends.set();
        }));
        while !done.is_set() {
            yield_now().await;
        }
    });
}

/// A task that is woken while it is polled is polled again: no wake-up is lost.
///
/// Proves: the contract of tasks
pub fn a_wake_up_during_a_poll_is_not_lost(make: Make<'_>) {
    run(make, async {
        for from_another_thread in [false, true] {
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let task = policy::spawn(poll_fn(move |cx| {
                if counted.fetch_add(1, SeqCst) == 100 {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                match from_another_thread {
                    true => thread::spawn(move || waker.wake()).join().unwrap(),
                    false => waker.wake(),
                }
                Poll::Pending
            }));
            task.await.unwrap();
            assert_eq!(polls.load(SeqCst), 101);
        }
    });
}

/// A task that is woken many times before it is polled is polled, and a task that
/// nobody woke is not.
///
/// Proves: the contract of tasks
pub fn a_task_is_polled_when_it_is_woken(make: Make<'_>) {
    run(make, async {
        let (waker, polls) = (Arc::new(std::sync::Mutex::new(None::<Waker>)), Gate::default());
        let (slot, polled) = (waker.clone(), polls.clone());
        let mut count = 0;
        let task = policy::spawn(poll_fn(move |cx| {
            count += 1;
            *slot.lock().unwrap() = Some(cx.waker().clone());
            polled.open();
            if count == 1 { Poll::Pending } else { Poll::Ready(count) }
        }));
        polls.wait().await;
        for _ in 0..50 {
            yield_now().await;
        }
        assert!(!task.is_finished(), "polled although nobody woke it");
        let waker = waker.lock().unwrap().clone().unwrap();
        for _ in 0..1000 {
            waker.wake_by_ref();
        }
        assert_eq!(task.await.unwrap(), 2);
    });
}

/// A waker may outlive its task and its loop: using it then does nothing.
///
/// Proves: 'the running loop is known while it polls'
pub fn a_waker_may_outlive_its_loop(make: Make<'_>) {
    let wakers = Arc::new(std::sync::Mutex::new(Vec::<Waker>::new()));
    let event_loop = new_loop(make);
    let (of_pending, of_main) = (wakers.clone(), wakers.clone());
    let pending = event_loop.spawn(poll_fn(move |cx| -> Poll<()> {
        of_pending.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }));
    event_loop
        .run_until_complete(poll_fn(|cx| {
            let mut wakers = of_main.lock().unwrap();
            if wakers.is_empty() {
                drop(wakers);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            wakers.push(cx.waker().clone());
            Poll::Ready(())
        }))
        .unwrap();
    let use_them = || wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    use_them();
    event_loop.close().unwrap();
    use_them();
    drop((event_loop, pending));
    in_thread(use_them);
    wakers.lock().unwrap().clear();
}

/// Whoever waits for a task may be woken by a waker that panics: the loop goes on.
///
/// Proves: 'a panic never takes the loop down'
pub fn a_waiter_whose_waker_panics_harms_nobody(make: Make<'_>) {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the waker of this test")
        }
    }
    run(make, async {
        let gate = Gate::default();
        let waits = gate.clone();
        let mut handle = policy::spawn(async move {
            waits.wait().await;
            1
        });
        let waker = Waker::from(Arc::new(Panics));
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        while !handle.is_finished() {
            yield_now().await;
        }
        assert_eq!(handle.await.unwrap(), 1);
        assert_eq!(policy::spawn(async { 2 }).await.unwrap(), 2);
    });
}
