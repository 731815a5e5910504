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
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use policy_core::task::model::{self, Queue, Queued, Runner};
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
    // The budget of a poll is the thread's, and all executions have one thread: each begins
    // with the same, or it would not be one of the same model.
    builder.check(move || policy_core::budget::renewed(&f));
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

/// A ready queue with a lock, as a loop's mail, and what a loop does with it.
#[derive(Default)]
struct Mail {
    inner: loom::sync::Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    queued: Vec<Queued>,
    closed: bool,
}

impl Queue for Mail {
    fn push(&self, entry: Queued) -> Result<(), Queued> {
        let mut inner = self.inner.lock().unwrap();
        if inner.closed {
            return Err(entry);
        }
        inner.queued.push(entry);
        assert_eq!(inner.queued.len(), 1, "queued twice");
        Ok(())
    }
}

impl Mail {
    fn pop(&self) -> Option<Queued> {
        self.inner.lock().unwrap().queued.pop()
    }

    /// Polls the task if it is queued. Ready once it is complete.
    fn turn(&self, task: &mut Runner) -> Poll<()> {
        match self.pop().and_then(Queued::take) {
            Some(key) => {
                assert_eq!(key, KEY);
                task.poll()
            }
            None => Poll::Pending,
        }
    }

    /// As the end of a loop: one critical section, then all that is left goes.
    fn close(&self, task: Runner) {
        let left = {
            let mut inner = self.inner.lock().unwrap();
            inner.closed = true;
            std::mem::take(&mut inner.queued)
        };
        drop((left, task));
    }
}

const KEY: u32 = 7;

/// Makes a task that was polled once.
fn waiting<F>(mail: &std::sync::Arc<Mail>, future: F) -> (Runner, JoinHandle<Output>)
where
    F: Future<Output = Output> + Send + 'static,
{
    let (mut task, handle) = model::homed(future, mail);
    task.keep_at(KEY);
    assert!(task.poll().is_pending());
    (task, handle)
}

/// Leaves its waker, and is ready once all flags are set. They order nothing by
/// themselves: only the wake-ups do.
fn ready_after(
    flags: Vec<Arc<AtomicBool>>,
    wakers: std::sync::Arc<std::sync::Mutex<Vec<Waker>>>,
) -> impl Future<Output = Output> + Send {
    let mut left = false;
    poll_fn(move |cx| {
        if !std::mem::replace(&mut left, true) {
            let clones = flags.iter().map(|_| cx.waker().clone());
            wakers.lock().unwrap().extend(clones);
            return Poll::Pending;
        }
        match flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
            true => Poll::Ready(Output::new()),
            false => Poll::Pending,
        }
    })
}

fn flags(count: usize) -> Vec<Arc<AtomicBool>> {
    (0..count).map(|_| Arc::new(AtomicBool::new(false))).collect()
}

#[test]
fn a_homed_task_that_is_woken_is_queued_once_and_sees_what_was_before() {
    bounded(3, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (flags, wakers) = (flags(2), std::sync::Arc::default());
        let (mut task, handle) =
            waiting(&mail, ready_after(flags.clone(), std::sync::Arc::clone(&wakers)));
        let wakers = std::mem::take(&mut *wakers.lock().unwrap());
        let threads: Vec<_> = std::iter::zip(flags, wakers)
            .map(|(flag, waker)| {
                thread::spawn(move || {
                    flag.store(true, Ordering::Relaxed);
                    waker.wake();
                })
            })
            .collect();
        let mut polled = mail.turn(&mut task);
        if polled.is_pending() {
            polled = mail.turn(&mut task);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // At most one is left of two wake-ups, and none is lost.
        if polled.is_pending() {
            polled = mail.turn(&mut task);
        }
        assert!(polled.is_ready(), "a wake-up was lost");
        joined(handle);
    });
}

#[test]
fn a_homed_task_that_is_woken_while_it_is_polled_is_polled_again() {
    model(|| {
        let mail = std::sync::Arc::new(Mail::default());
        let (mut task, handle) = model::homed(yields(), &mail);
        task.keep_at(KEY);
        assert!(task.poll().is_pending());
        assert!(mail.turn(&mut task).is_ready());
        assert!(mail.pop().is_none());
        joined(handle);
    });
}

#[test]
fn an_abort_queues_a_homed_task_that_waits() {
    bounded(3, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (mut task, handle) = model::homed(stuck(), &mail);
        task.keep_at(KEY);
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let mut polled = task.poll();
        aborter.join().unwrap();
        if polled.is_pending() {
            polled = mail.turn(&mut task);
        }
        assert!(polled.is_ready(), "an abort was lost");
        cancelled(block_on(handle));
    });
}

#[test]
fn an_abort_queues_a_homed_task_beside_a_wake_up() {
    bounded(3, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (flags, wakers) = (flags(1), std::sync::Arc::default());
        let (mut task, handle) =
            waiting(&mail, ready_after(flags.clone(), std::sync::Arc::clone(&wakers)));
        let waker = wakers.lock().unwrap().remove(0);
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let flag = flags[0].clone();
        let other = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            waker.wake();
        });
        let mut polled = mail.turn(&mut task);
        aborter.join().unwrap();
        other.join().unwrap();
        while polled.is_pending() {
            polled = mail.turn(&mut task);
        }
        match block_on(handle) {
            Ok(output) => output.check(),
            Err(error) => assert!(error.is_cancelled()),
        }
        assert!(mail.pop().is_none_or(|late| late.take().is_none()), "complete, and to be polled");
    });
}

#[test]
fn a_home_that_closes_cancels_a_task_that_is_woken_and_aborted() {
    bounded(2, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (flags, wakers) = (flags(2), std::sync::Arc::default());
        let (task, handle) = waiting(&mail, ready_after(flags, std::sync::Arc::clone(&wakers)));
        let mut wakers = std::mem::take(&mut *wakers.lock().unwrap());
        let (waker, kept) = (wakers.remove(0), wakers.remove(0));
        let abort = handle.abort_handle();
        let aborter = thread::spawn(move || abort.abort());
        let other = thread::spawn(move || waker.wake());
        mail.close(task);
        // At once, on the thread that closes.
        assert!(handle.is_finished());
        cancelled(block_on(handle));
        aborter.join().unwrap();
        other.join().unwrap();
        kept.wake();
        assert!(mail.pop().is_none());
    });
}

#[test]
fn the_last_waker_of_a_homed_task_frees_it_once() {
    bounded(2, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (flags, wakers) = (flags(2), std::sync::Arc::default());
        let (task, handle) = waiting(&mail, ready_after(flags, std::sync::Arc::clone(&wakers)));
        let mut wakers = std::mem::take(&mut *wakers.lock().unwrap());
        let (first, second) = (wakers.remove(0), wakers.remove(0));
        let other = thread::spawn(move || drop(first));
        let woken = thread::spawn(move || second.wake());
        drop(task);
        drop(handle);
        drop(mail.pop());
        other.join().unwrap();
        woken.join().unwrap();
        drop(mail.pop());
    });
}

#[test]
fn a_homed_task_is_detached_while_it_completes() {
    bounded(3, || {
        let mail = std::sync::Arc::new(Mail::default());
        let (mut task, handle) = model::homed(yields(), &mail);
        task.keep_at(KEY);
        task.schedule();
        let dropper = thread::spawn(move || drop(handle));
        while mail.turn(&mut task).is_pending() {}
        drop(task);
        dropper.join().unwrap();
    });
}
