//! The one contract of tasks, without an executor: each test polls by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod common;

use std::cell::Cell;
use std::collections::HashSet;
use std::future::{Future, pending, poll_fn, ready};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use policy_core::task::{self, AbortHandle, JoinError, JoinHandle, Task};

use common::{OnDrop, at_thread_end};

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn join<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll(&mut handle) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task has not finished"),
    }
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counting() -> (Arc<CountWakes>, Waker) {
    let count = Arc::new(CountWakes::default());
    (count.clone(), Waker::from(count))
}

/// Tells in its destructor whether a panic unwinds, and which task runs.
struct Tells(std::sync::mpsc::Sender<(bool, Option<task::Id>)>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _nobody = self.0.send((thread::panicking(), task::try_id()));
    }
}

// Of a future that was written by hand: an `async` block drops what it has while it unwinds.
#[test]
fn a_future_that_panics_is_dropped_while_the_panic_unwinds() {
    struct Panics(#[allow(dead_code, reason = "it is there to be dropped")] Tells);

    impl Future for Panics {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            panic!("expected: of the future")
        }
    }

    let (tell, told) = channel();
    let (mut task, handle) = task::new(Panics(Tells(tell)));
    let id = task.id();
    assert!(poll(&mut task).is_ready());
    assert_eq!(told.try_recv(), Ok((true, Some(id))));
    assert!(!thread::panicking());
    assert!(join(handle).unwrap_err().is_panic());
    // And no other.
    let (tell, told) = channel();
    let (mut task, _handle) = task::new({
        let mut tells = Some(Tells(tell));
        poll_fn(move |_| {
            let _ready = tells.as_mut();
            Poll::Ready(())
        })
    });
    assert!(poll(&mut task).is_ready());
    assert_eq!(told.try_recv(), Ok((false, Some(task.id()))));
}

#[test]
fn a_destructor_that_panics_after_its_future_did_ends_nothing() {
    struct Twice;

    impl Future for Twice {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            panic_any("the first")
        }
    }

    impl Drop for Twice {
        fn drop(&mut self) {
            panic_any("the second");
        }
    }

    let (mut task, handle) = task::new(Twice);
    assert!(poll(&mut task).is_ready());
    let payload = join(handle).unwrap_err().into_panic();
    assert_eq!(payload.downcast_ref(), Some(&"the first"));
}

#[test]
fn an_output_that_nobody_takes_is_dropped_as_its_task() {
    // Detached before it is there, and after.
    for is_early in [true, false] {
        let (tell, told) = channel();
        let (mut task, handle) = task::new(ready(Tells(tell)));
        let id = task.id();
        let mut handle = Some(handle);
        if is_early {
            drop(handle.take());
        }
        assert!(poll(&mut task).is_ready());
        drop(handle);
        assert_eq!(told.try_recv(), Ok((false, Some(id))));
    }
    // One that is taken is its taker's.
    let (tell, told) = channel();
    let (mut task, handle) = task::new(ready(Tells(tell)));
    assert!(poll(&mut task).is_ready());
    drop(join(handle).unwrap());
    assert_eq!(told.try_recv(), Ok((false, None)));
}

#[test]
fn a_handle_gives_the_result_of_its_task() {
    let (mut task, mut handle) = task::new(async { 6 * 7 });
    assert!(poll(&mut handle).is_pending());
    assert!(!handle.is_finished());
    assert!(poll(&mut task).is_ready());
    assert!(handle.is_finished());
    assert_eq!(join(handle).unwrap(), 42);
}

#[test]
fn a_task_that_ends_wakes_who_waits_last_and_once() {
    let (mut task, mut handle) = task::new(async {});
    let ((first, first_waker), (second, second_waker)) = (counting(), counting());
    assert!(poll_with(&mut handle, &first_waker).is_pending());
    assert!(poll_with(&mut handle, &second_waker).is_pending());
    assert!(poll(&mut task).is_ready());
    drop(task);
    assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
}

#[test]
fn a_dropped_handle_detaches_its_task() {
    let ran = Arc::new(AtomicUsize::new(0));
    let (mut task, handle) = task::new({
        let ran = ran.clone();
        async move { ran.fetch_add(1, SeqCst) }
    });
    drop(handle);
    assert!(poll(&mut task).is_ready());
    assert_eq!(ran.load(SeqCst), 1);
}

#[test]
fn the_result_of_a_detached_task_is_dropped_when_it_ends() {
    let output = Arc::new(());
    let (mut task, handle) = task::new(ready(output.clone()));
    let abort = handle.abort_handle();
    drop(handle);
    assert!(poll(&mut task).is_ready());
    assert_eq!(Arc::strong_count(&output), 1);
    assert!(abort.is_finished());
}

#[test]
fn a_result_nobody_took_is_dropped_with_the_handle() {
    let output = Arc::new(());
    let (mut task, handle) = task::new(ready(output.clone()));
    let abort = handle.abort_handle();
    assert!(poll(&mut task).is_ready());
    assert_eq!(Arc::strong_count(&output), 2);
    drop(handle);
    assert_eq!(Arc::strong_count(&output), 1);
    drop(abort);
}

#[test]
fn an_abort_before_the_first_poll_never_runs_the_task() {
    let (mut task, handle) = task::new(async { panic!("polled") });
    handle.abort();
    assert!(poll(&mut task).is_ready());
    let error: JoinError = join::<()>(handle).unwrap_err();
    assert!(error.is_cancelled() && !error.is_panic());
}

#[test]
fn an_abort_wakes_a_task_that_waits_and_drops_its_future() {
    let dropped = Arc::new(());
    let (mut task, handle) = task::new({
        let dropped = dropped.clone();
        async move {
            pending::<()>().await;
            drop(dropped);
        }
    });
    let (woken, waker) = counting();
    assert!(poll_with(&mut task, &waker).is_pending());
    handle.abort();
    handle.abort(); // twice is once
    handle.abort_handle().abort();
    assert_eq!(woken.0.load(SeqCst), 1);
    assert_eq!(Arc::strong_count(&dropped), 2, "dropped by the aborter, not where it runs");
    assert!(poll_with(&mut task, &waker).is_ready());
    assert_eq!(Arc::strong_count(&dropped), 1);
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn an_abort_of_a_finished_task_changes_nothing() {
    let (mut task, handle) = task::new(async { 1 });
    let abort = handle.abort_handle();
    assert!(poll(&mut task).is_ready());
    handle.abort();
    abort.abort();
    assert!(poll(&mut task).is_ready());
    assert_eq!(join(handle).unwrap(), 1);
}

#[test]
fn a_task_that_aborts_itself_ends_when_it_waits() {
    let own = Arc::new(Mutex::new(None::<AbortHandle>));
    let (mut task, handle) = task::new({
        let own = own.clone();
        async move {
            own.lock().unwrap().as_ref().unwrap().abort();
            pending::<()>().await;
        }
    });
    *own.lock().unwrap() = Some(handle.abort_handle());
    assert!(poll(&mut task).is_ready());
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn a_panic_is_a_value_with_its_payload() {
    let (mut task, handle) = task::new(async { panic_any(7_u8) });
    assert!(poll(&mut task).is_ready());
    let error: JoinError = join::<()>(handle).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(*error.into_panic().downcast::<u8>().unwrap(), 7);
}

#[test]
fn the_panic_of_a_detached_task_reaches_nobody() {
    let (mut task, handle) = task::new(async { panic!("alone") });
    drop::<JoinHandle<()>>(handle);
    assert!(poll(&mut task).is_ready());
}

#[test]
fn a_panic_in_the_destructor_of_a_future_is_a_panic_of_the_task() {
    let guard = OnDrop(|| panic!("in a destructor"));
    let (mut task, handle) = task::new(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    assert!(poll(&mut task).is_pending());
    drop(task);
    assert!(join(handle).unwrap_err().to_string().contains("in a destructor"));
}

#[test]
fn of_two_panics_the_first_is_told() {
    struct Both(#[allow(dead_code, reason = "dropped")] OnDrop<fn()>);
    impl Future for Both {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("the cause")
        }
    }
    let (mut task, handle) = task::new(Both(OnDrop(|| panic!("the consequence"))));
    assert!(poll(&mut task).is_ready());
    assert!(join(handle).unwrap_err().to_string().contains("the cause"));
}

#[test]
fn a_panic_in_the_destructor_of_an_unwanted_result_reaches_nobody() {
    // Whether the handle or the task goes first must make no difference.
    for task_first in [false, true] {
        let (mut task, handle) = task::new(async { OnDrop(|| panic!("unwanted")) });
        if task_first {
            assert!(poll(&mut task).is_ready());
            drop(handle);
        } else {
            drop(handle);
            assert!(poll(&mut task).is_ready());
        }
    }
}

#[test]
fn a_payload_that_panics_when_dropped_reaches_nobody() {
    let (mut task, handle) = task::new(async { panic_any(OnDrop(|| panic!("again"))) });
    drop::<JoinHandle<()>>(handle);
    assert!(poll(&mut task).is_ready());
}

#[test]
fn wakers_that_panic_do_not_reach_the_executor_nor_the_aborter() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }
    let waker = Waker::from(Arc::new(Panics));
    let (mut task, mut handle) = task::new(pending::<()>());
    assert!(poll_with(&mut task, &waker).is_pending());
    assert!(poll_with(&mut handle, &waker).is_pending());
    handle.abort();
    assert!(poll_with(&mut task, &waker).is_ready());
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn wakers_whose_destructors_use_the_task_do_no_harm() {
    struct Meddles(AbortHandle);
    impl Wake for Meddles {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Meddles {
        fn drop(&mut self) {
            self.0.abort();
            assert_eq!(self.0.id(), self.0.clone().id());
        }
    }
    let (mut task, mut handle) = task::new(pending::<()>());
    let meddler = |handle: &JoinHandle<()>| Waker::from(Arc::new(Meddles(handle.abort_handle())));
    let (first, second) = (meddler(&handle), meddler(&handle));
    assert!(poll_with(&mut handle, &first).is_pending());
    assert!(poll_with(&mut task, &first).is_pending());
    drop(first);
    assert!(poll_with(&mut handle, &second).is_pending());
    assert!(poll_with(&mut task, &second).is_pending(), "the first waker is dropped after");
    drop(second);
    assert!(poll(&mut task).is_ready());
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn no_waker_outlives_what_it_waits_for() {
    // Used to be kept until the last handle was dropped; an executor whose waker
    // holds its task was never freed after an abort.
    for aborted in [false, true] {
        let (runs, run_waker) = counting();
        let (joins, join_waker) = counting();
        let mut yielded = false;
        let (mut task, mut handle) = task::new(poll_fn(move |_| {
            if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
        }));
        let abort = handle.abort_handle();
        assert!(poll_with(&mut task, &run_waker).is_pending());
        assert!(poll_with(&mut handle, &join_waker).is_pending());
        assert_eq!((Arc::strong_count(&runs), Arc::strong_count(&joins)), (3, 3));
        if aborted {
            abort.abort();
        }
        assert!(poll_with(&mut task, &run_waker).is_ready());
        assert_eq!(poll(&mut handle).map(|result| result.is_err()), Poll::Ready(aborted));
        assert_eq!((Arc::strong_count(&runs), Arc::strong_count(&joins)), (2, 2), "{aborted}");
        drop((task, handle, abort));
    }
}

/// Lends a waker whose clones are those of `target`, and whose own data is the place
/// of `target`: a stack executor may do so.
#[allow(unsafe_code, reason = "a waker that std does not make")]
fn lend(target: &Waker, f: impl FnOnce(&Waker)) {
    use std::task::{RawWaker, RawWakerVTable};

    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |target| {
            // SAFETY: `target` is borrowed for the time of `lend`.
            let clone = ManuallyDrop::new(unsafe { &*target.cast::<Waker>() }.clone());
            RawWaker::new(clone.data(), clone.vtable())
        },
        |_| (),
        |_| (),
        |_| (),
    );
    // SAFETY: the table keeps the contract, while `target` is borrowed.
    f(&unsafe { Waker::new(std::ptr::from_ref(target).cast(), &TABLE) });
}

#[test]
fn a_waker_that_is_lent_at_the_same_place_is_not_mistaken_for_the_former() {
    let (mut task, mut handle) = task::new(pending::<()>());
    let ((first, first_waker), (second, second_waker)) = (counting(), counting());
    let mut place = first_waker;
    lend(&place, |lent| assert!(poll_with(&mut handle, lent).is_pending()));
    place = second_waker;
    lend(&place, |lent| assert!(poll_with(&mut handle, lent).is_pending()));
    handle.abort();
    assert!(poll(&mut task).is_ready());
    assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    drop(place);
}

#[test]
fn a_wait_that_is_given_up_lets_go_of_its_waker() {
    let (joins, waker) = counting();
    let (_task, mut handle) = task::new(pending::<()>());
    assert!(poll_with(&mut handle, &waker).is_pending());
    drop(handle);
    assert_eq!(Arc::strong_count(&joins), 2);
}

#[test]
fn the_executors_task_is_freed_by_whoever_takes_the_result() {
    let (executor, waker) = counting();
    // Besides by this function and by its waker.
    let held = || Arc::strong_count(&executor) - 2;
    for (polls, is_taken) in [(1, true), (1, false), (3, true), (3, false)] {
        let mut left = polls;
        let (mut task, handle) = task::new(poll_fn(move |_cx| {
            left -= 1;
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        while poll_with(&mut task, &waker).is_pending() {}
        drop(task);
        assert_eq!(held(), 1, "freed by the worker, after {polls} polls");
        let abort = handle.abort_handle();
        abort.abort();
        if is_taken {
            join(handle).unwrap()
        } else {
            drop(handle)
        }
        assert_eq!(held(), 0, "held by an abort handle, after {polls} polls");
        drop(abort);
    }
}

#[test]
fn nobody_keeps_the_executors_task_of_what_was_detached_or_aborted() {
    let (executor, waker) = counting();
    let (mut task, handle) = task::new(async {});
    let abort = handle.abort_handle();
    drop(handle);
    assert!(poll_with(&mut task, &waker).is_ready());
    assert_eq!(Arc::strong_count(&executor), 2);
    let (mut task, handle) = task::new(async {});
    handle.abort();
    assert!(poll_with(&mut task, &waker).is_ready());
    assert_eq!(Arc::strong_count(&executor), 2);
    drop((abort, handle));
}

#[test]
fn a_destructor_may_use_the_handle_of_its_own_task() {
    let own = Arc::new(Mutex::new(None::<JoinHandle<()>>));
    let guard = OnDrop({
        let own = own.clone();
        move || {
            let mut handle = own.lock().unwrap().take().unwrap();
            handle.abort();
            assert!(poll(&mut handle).is_pending());
            assert!(!handle.is_finished());
        }
    });
    let (mut task, handle) = task::new(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    let abort = handle.abort_handle();
    *own.lock().unwrap() = Some(handle);
    assert!(poll(&mut task).is_pending());
    drop(task);
    assert!(abort.is_finished());
    assert!(own.lock().unwrap().is_none());
}

#[test]
fn a_task_that_its_executor_drops_is_cancelled() {
    let (task, handle) = task::new(async {});
    let abort = task.abort_handle();
    assert_eq!((task.id(), handle.id()), (abort.id(), abort.id()));
    drop(task);
    assert!(handle.is_finished() && abort.is_finished());
    assert!(join(handle).unwrap_err().is_cancelled());
}

#[test]
fn a_result_is_given_once() {
    let (mut task, mut handle) = task::new(async {});
    assert!(poll(&mut task).is_ready());
    assert!(matches!(poll(&mut handle), Poll::Ready(Ok(()))));
    let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("given twice") };
    assert!(!error.is_cancelled() && !error.is_panic());
    assert!(error.to_string().contains("only once"));
}

#[test]
fn errors_name_the_task_and_the_remedy() {
    let (task, handle) = task::new(async {});
    let id = handle.id();
    drop(task);
    let error = join(handle).unwrap_err();
    assert_eq!(error.id(), id);
    assert_eq!(
        error.to_string(),
        format!("task {id} was cancelled; look for a call of `abort`, or a loop that closed first")
    );
    assert!(error.try_into_panic().unwrap_err().is_cancelled());

    let (mut task, handle) = task::new(async { panic!("no {}", "luck") });
    let id = handle.id();
    assert!(poll(&mut task).is_ready());
    let error: JoinError = join::<()>(handle).unwrap_err();
    assert_eq!(error.to_string(), format!("task {id} panicked: no luck; see `into_panic`"));
}

#[test]
fn into_panic_of_a_cancelled_task_panics_with_the_remedy() {
    let (task, handle) = task::new(async {});
    drop(task);
    let error = join(handle).unwrap_err();
    let payload = catch_unwind(AssertUnwindSafe(|| error.into_panic())).unwrap_err();
    assert!(payload.downcast::<String>().unwrap().contains("ask `is_panic` first"));
}

#[test]
fn ids_are_unique_across_threads() {
    let threads: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(|| (0..1_000).map(|_| task::new(async {}).0.id()).collect::<Vec<_>>())
        })
        .collect();
    let ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 8_000);
}

#[test]
fn the_current_task_is_the_innermost() {
    assert_eq!(task::try_id(), None);
    let (mut inner, inner_handle) = task::new(async { task::try_id() });
    let (mut outer, outer_handle) = task::new(async move {
        let before = task::try_id();
        assert!(poll(&mut inner).is_ready());
        (before, task::try_id())
    });
    let (inner_id, outer_id) = (inner_handle.id(), outer_handle.id());
    assert!(poll(&mut outer).is_ready());
    assert_eq!(join(inner_handle).unwrap(), Some(inner_id));
    assert_eq!(join(outer_handle).unwrap(), (Some(outer_id), Some(outer_id)));
    assert_eq!(task::try_id(), None);
}

#[test]
fn a_future_is_dropped_as_its_task() {
    let seen = Arc::new(Mutex::new(None));
    let guard = OnDrop({
        let seen = seen.clone();
        move || *seen.lock().unwrap() = task::try_id()
    });
    let (task, handle) = task::new(async move { drop(guard) });
    drop(task);
    assert_eq!(*seen.lock().unwrap(), Some(handle.id()));
    assert_eq!(task::try_id(), None);
}

#[test]
fn a_local_task_runs_here_and_is_joined_anywhere() {
    let shared = Rc::new(Cell::new(0));
    let event_loop = common::TinyLoop::new();
    let spawner = event_loop.clone();
    let given = shared.clone();
    #[allow(clippy::async_yields_async, reason = "it is joined on another thread")]
    let spawn = async move { spawner.spawn_local(async move { given.replace(1) }) };
    let handle = event_loop.run_until_complete(spawn).unwrap();
    let joiner = thread::spawn(move || {
        let (sender, receiver) = channel();
        let mut handle = handle;
        struct Send(Mutex<std::sync::mpsc::Sender<()>>);
        impl Wake for Send {
            fn wake(self: Arc<Self>) {
                let _gone = self.0.lock().unwrap().send(());
            }
        }
        let waker = Waker::from(Arc::new(Send(Mutex::new(sender))));
        loop {
            match poll_with(&mut handle, &waker) {
                Poll::Ready(result) => return result.unwrap(),
                Poll::Pending => receiver.recv().unwrap(),
            }
        }
    });
    event_loop.run_until_complete(async { task::try_id() }).unwrap();
    assert_eq!((joiner.join().unwrap(), shared.get()), (0, 1));
}

#[test]
fn tasks_work_while_their_thread_ends() {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        at_thread_end(move || {
            let (mut task, handle) = task::new(async { task::try_id().is_some() });
            assert!(poll(&mut task).is_ready());
            sender.send(join(handle).unwrap()).unwrap();
        });
        let _used_later: (Task, _) = task::new(async {});
    })
    .join()
    .unwrap();
    assert!(receiver.recv().unwrap());
}
