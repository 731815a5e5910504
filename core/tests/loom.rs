//! The task cell under a model checker: every interleaving of its halves.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p event-loop-policy-core --test loom --release`
//!
//! loom checks that nobody touches a future, a result or a waker that another
//! thread may touch, that no wake-up is lost (a wait that hangs is reported), and
//! that each `Arc` of its own is dropped: wakers, futures and results here hold one.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use policy_core::task::{self, JoinError, JoinHandle};

/// What a task gives: written without synchronisation by the task, read so by who
/// joins. loom reports it where joining does not order the two.
struct Output {
    value: UnsafeCell<u32>,
    _dropped: Arc<()>,
}

#[allow(unsafe_code, reason = "loom checks what this claims")]
// SAFETY: loom reports two threads that use `value` at a time.
unsafe impl Sync for Output {}

impl Output {
    fn new() -> Self {
        let value = UnsafeCell::new(0);
        value.with_mut(|value| write(value));
        Self { value, _dropped: Arc::new(()) }
    }

    fn check(&self) {
        assert_eq!(self.value.with(|value| read(value)), 1);
    }
}

#[allow(unsafe_code, reason = "loom's cell is looked into by pointer")]
fn write(value: *mut u32) {
    // SAFETY: loom checks that nobody else has the pointer now.
    unsafe { *value = 1 }
}

#[allow(unsafe_code, reason = "loom's cell is looked into by pointer")]
fn read(value: *const u32) -> u32 {
    // SAFETY: as above.
    unsafe { *value }
}

/// A waker that tells whether it was woken.
struct Flag {
    woken: AtomicBool,
    _dropped: Arc<()>,
}

impl Flag {
    fn new() -> (std::sync::Arc<Self>, Waker) {
        let flag =
            std::sync::Arc::new(Self { woken: AtomicBool::new(false), _dropped: Arc::new(()) });
        (flag.clone(), Waker::from(flag))
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }
}

impl Wake for Flag {
    fn wake(self: std::sync::Arc<Self>) {
        self.woken.store(true, Ordering::Release);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Ready at the second poll.
fn yields() -> impl Future<Output = Output> + Send {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(Output::new());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Never ready, and notices when it is not dropped.
fn stuck() -> impl Future<Output = Output> + Send {
    let dropped = Arc::new(());
    async move {
        pending::<()>().await;
        drop(dropped);
        Output::new()
    }
}

fn joined(handle: JoinHandle<Output>) {
    block_on(handle).unwrap().check();
}

fn cancelled(result: Result<Output, JoinError>) {
    assert!(result.err().unwrap().is_cancelled());
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    bounded(None, f);
}

/// With at most so many preemptions, where all would take minutes. Nearly every
/// bug needs two at most; before a change to the cell is delivered, try three.
fn bounded(preemptions: impl Into<Option<usize>>, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(f);
}

#[test]
fn a_join_sees_what_the_task_wrote() {
    model(|| {
        let (task, handle) = task::new(async { Output::new() });
        let runner = thread::spawn(|| block_on(task));
        joined(handle);
        runner.join().unwrap();
    });
}

#[test]
fn a_task_that_is_polled_twice_is_joined() {
    bounded(3, || {
        let (task, handle) = task::new(yields());
        let runner = thread::spawn(|| block_on(task));
        joined(handle);
        runner.join().unwrap();
    });
}

#[test]
fn finished_means_that_the_result_is_there() {
    model(|| {
        let (task, mut handle) = task::new(async { Output::new() });
        let runner = thread::spawn(|| block_on(task));
        if handle.is_finished() {
            let Poll::Ready(result) = poll(&mut handle, Waker::noop()) else { panic!("pending") };
            result.unwrap().check();
        }
        runner.join().unwrap();
    });
}

#[test]
fn finished_means_that_what_the_task_did_is_seen() {
    bounded(3, || {
        let effect = Arc::new(Output::new());
        let (task, handle) = task::new({
            let effect = effect.clone();
            async move { effect.value.with_mut(|value| write(value)) }
        });
        let abort = handle.abort_handle();
        let runner = thread::spawn(|| block_on(task));
        if abort.is_finished() {
            effect.check();
        }
        runner.join().unwrap();
        drop(handle);
    });
}

#[test]
fn a_join_that_changes_its_waker_is_woken_by_the_last() {
    bounded(3, || {
        let (task, mut handle) = task::new(async { Output::new() });
        let runner = thread::spawn(|| block_on(task));
        let (_first, waker) = Flag::new();
        let (last, other) = Flag::new();
        let mut polled = poll(&mut handle, &waker);
        if polled.is_pending() {
            polled = poll(&mut handle, &other);
        }
        if polled.is_pending() {
            // The same again: registers nothing new, and loses nothing.
            polled = poll(&mut handle, &other);
        }
        drop((waker, other));
        runner.join().unwrap();
        match polled {
            Poll::Ready(result) => result.unwrap().check(),
            Poll::Pending => {
                assert!(last.is_woken(), "lost");
                joined(handle);
            }
        }
    });
}

#[test]
fn a_join_given_up_lets_go_of_its_waker() {
    bounded(3, || {
        let (task, mut handle) = task::new(async { Output::new() });
        let abort = handle.abort_handle();
        let runner = thread::spawn(|| block_on(task));
        let (flag, waker) = Flag::new();
        let _given_up = poll(&mut handle, &waker).map(|result| result.unwrap().check());
        drop((handle, waker));
        runner.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&flag), 1, "held by an abort handle");
        drop(abort);
    });
}

#[test]
fn a_detached_result_is_dropped_once() {
    model(|| {
        let (task, handle) = task::new(yields());
        let runner = thread::spawn(|| block_on(task));
        drop(handle);
        runner.join().unwrap();
    });
}

#[test]
fn an_abort_wakes_a_task_that_waits() {
    bounded(3, || {
        let (task, handle) = task::new(stuck());
        let runner = thread::spawn(|| block_on(task));
        handle.abort();
        cancelled(block_on(handle));
        runner.join().unwrap();
    });
}

#[test]
fn two_aborters_cancel_once() {
    bounded(2, || {
        let (task, handle) = task::new(stuck());
        let abort = handle.abort_handle();
        let other = thread::spawn(move || abort.abort());
        let runner = thread::spawn(|| block_on(task));
        handle.abort();
        cancelled(block_on(handle));
        other.join().unwrap();
        runner.join().unwrap();
    });
}

#[test]
fn an_abort_wakes_the_last_waker_of_a_task_that_moves() {
    bounded(3, || {
        let (mut task, handle) = task::new(stuck());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let (_first, waker) = Flag::new();
        let (last, other) = Flag::new();
        let mut polled = poll(&mut task, &waker);
        if polled.is_pending() {
            polled = poll(&mut task, &other);
        }
        if polled.is_pending() {
            polled = poll(&mut task, &other);
        }
        drop((waker, other));
        aborter.join().unwrap();
        if polled.is_pending() {
            assert!(last.is_woken(), "lost");
            block_on(task);
        }
        cancelled(block_on(handle));
    });
}

#[test]
fn an_aborted_task_lets_go_of_its_wakers() {
    bounded(2, || {
        let (mut task, handle) = task::new(stuck());
        let abort = handle.abort_handle();
        let (flag, waker) = Flag::new();
        let runner = thread::spawn(move || {
            if poll(&mut task, &waker).is_pending() {
                drop(waker);
                drop(task);
            }
        });
        let aborter = thread::spawn({
            let abort = abort.clone();
            move || abort.abort()
        });
        cancelled(block_on(handle));
        runner.join().unwrap();
        aborter.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&flag), 1, "held by an abort handle");
        drop(abort);
    });
}

#[test]
fn an_abort_that_comes_late_leaves_the_result() {
    bounded(3, || {
        let (task, handle) = task::new(yields());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        block_on(task);
        match block_on(handle) {
            Ok(output) => output.check(),
            Err(error) => assert!(error.is_cancelled()),
        }
        aborter.join().unwrap();
    });
}

#[test]
fn an_abort_while_the_task_completes_and_is_joined() {
    bounded(2, || {
        let (task, handle) = task::new(yields());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let runner = thread::spawn(|| block_on(task));
        match block_on(handle) {
            Ok(output) => output.check(),
            Err(error) => assert!(error.is_cancelled()),
        }
        aborter.join().unwrap();
        runner.join().unwrap();
    });
}

#[test]
fn an_abort_while_the_task_completes_and_is_detached() {
    bounded(2, || {
        let (task, handle) = task::new(yields());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let runner = thread::spawn(|| block_on(task));
        drop(handle);
        aborter.join().unwrap();
        runner.join().unwrap();
    });
}

#[test]
fn a_task_that_its_executor_drops_is_cancelled() {
    model(|| {
        let (task, handle) = task::new(stuck());
        let dropper = thread::spawn(move || drop(task));
        cancelled(block_on(handle));
        dropper.join().unwrap();
    });
}

#[test]
fn a_task_dropped_half_way_is_cancelled() {
    bounded(2, || {
        let (mut task, handle) = task::new(yields());
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let dropper = thread::spawn(move || {
            let (_flag, waker) = Flag::new();
            let _pending = poll(&mut task, &waker);
            drop(task);
        });
        cancelled(block_on(handle));
        aborter.join().unwrap();
        dropper.join().unwrap();
    });
}

#[test]
fn a_task_dropped_while_it_is_detached_leaves_nothing() {
    model(|| {
        let (task, mut handle) = task::new(stuck());
        let dropper = thread::spawn(move || drop(task));
        let (_flag, waker) = Flag::new();
        let polled = poll(&mut handle, &waker);
        drop(handle);
        if let Poll::Ready(result) = polled {
            cancelled(result);
        }
        dropper.join().unwrap();
    });
}

/// loom reports a cell that is freed while somebody may be at its stage.
#[test]
fn whoever_goes_last_frees_the_cell() {
    bounded(2, || {
        let (task, handle) = task::new(async { Output::new() });
        let abort = handle.abort_handle();
        let runner = thread::spawn(|| block_on(task));
        let other = thread::spawn(move || drop(abort.clone()));
        drop(handle);
        other.join().unwrap();
        runner.join().unwrap();
    });
}
