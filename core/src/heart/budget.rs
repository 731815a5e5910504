//! How much a task may do in one poll before other tasks get their turn.
//!
//! An executor gets its thread back only when a poll returns `Pending`. A socket with a fast peer,
//! or a channel that is never empty, is ready at every poll: a task that reads from it in a loop
//! would keep its thread for ever, and starve timers, other tasks and the end of the run. So each
//! poll of a task, and of the future that a loop runs, has a *budget* of 128 units (tokio's
//! number). A future that makes progress spends one. When none is left, the future wakes its task
//! and returns `Pending`, although it is ready, and is polled again after the other tasks.
//!
//! How to choose:
//!
//! - [`poll`]: around the poll of a future or stream that can be ready again and again, such as a
//!   stream's reads;
//! - [`consume`]: in a loop that never waits and polls nothing;
//! - [`Once`]: around the poll of a future that is ready once, such as a timer;
//! - [`renewed`]: around the poll of a task. The cells of [`task`](crate::task) do it;
//! - [`unconstrained`]: around a poll that decides about others, such as the poll of a timeout's
//!   timer: it must happen, however much the others have spent.
//!
//! # Whose budget it is
//!
//! A future that polls its own parts (a select, a `JoinSet`, `within`) shares the budget of the
//! poll that it is part of: however many parts there are, that poll ends. If a loop is run inside a
//! poll, that loop's polls have their own budget.
//!
//! Code that is not inside a poll of ours, such as a task that was spawned on tokio itself, has a
//! budget as well: one per thread, because we can't see when a new poll begins. It is renewed after
//! it has made such code return `Pending` 16 times: a select of that many ready parts sees each of
//! them pend, and lets other tasks run. And if code blocks inside a poll on a future that spends
//! the budget, with another crate's `block_on`, that future is polled in vain 1,024 times and then
//! gets another 128 units: a budget is never exhausted for ever.
//!
//! Futures of an executor that has a budget of its own (tokio's) spend that budget as well, when an
//! adapter uses them.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::foreign;

/// What a poll may spend.
const UNITS: i16 = 128;

/// In place of a number that is left: spending does not change it.
const UNLIMITED: i16 = i16::MAX;

#[derive(Clone, Copy)]
struct Budget {
    /// From zero down it counts what was made to pend.
    left: i16,
    /// Where it is renewed, though no new poll was seen.
    floor: i16,
}

impl Budget {
    const OF_A_POLL: Self = Self { left: UNITS, floor: -1024 };
    const OUTSIDE: Self = Self { left: UNITS, floor: -16 };
    const UNLIMITED: Self = Self { left: UNLIMITED, floor: 0 };
}

thread_local! {
    // Without a destructor, so that reading it is one instruction, and it is there as
    // long as its thread.
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::OUTSIDE) };
    static PENDED: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if the current poll may spend more.
///
/// ```
/// use policy_core::budget;
///
/// assert!(budget::has_remaining());
/// ```
#[inline]
pub fn has_remaining() -> bool {
    // loom and shuttle repeat a run, and must find each as it was: there, budgets have no end.
    // A thread that is about to end has nobody to be fair to.
    cfg!(any(loom, shuttle)) || BUDGET.try_with(|budget| budget.get().left > 0).unwrap_or(true)
}

/// Calls `poll`, and spends a unit if it returns `Ready`. If no unit is left, wakes the task and
/// returns `Pending` instead.
///
/// ```
/// use policy_core::budget;
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// budget::renewed(|| {
///     let read = (0..).take_while(|n| budget::poll(&mut cx, |_| Poll::Ready(n)).is_ready());
///     assert_eq!(read.count(), 128);
/// });
/// ```
#[inline]
pub fn poll<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    if !has_remaining() {
        return pend(cx);
    }
    let polled = poll(cx);
    if polled.is_ready() {
        spend();
    }
    polled
}

/// Spends a unit; lets other tasks run first if none is left.
///
/// ```
/// use policy_core::budget;
///
/// async fn compute(parts: impl Iterator<Item = u32>) -> u32 {
///     let mut sum = 0;
///     for part in parts {
///         sum += part;
///         budget::consume().await;
///     }
///     sum
/// }
/// # let _ = compute(0..1);
/// ```
pub async fn consume() {
    poll_fn(|cx| poll(cx, |_| Poll::Ready(()))).await;
}

#[inline]
fn spend() {
    let _ending = BUDGET.try_with(|budget| {
        let now = budget.get();
        if now.left > 0 && now.left != UNLIMITED {
            budget.set(Budget { left: now.left - 1, ..now });
        }
    });
}

#[cold]
fn pend<T>(cx: &Context<'_>) -> Poll<T> {
    let _ending = BUDGET.try_with(|budget| {
        let now = budget.get();
        let left = if now.left <= now.floor { UNITS } else { now.left.saturating_sub(1) };
        budget.set(Budget { left, ..now });
    });
    let _ending = PENDED.try_with(|pended| pended.set(true));
    if !foreign::defer(cx.waker()) {
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

/// Returns true if a budget was used up on this thread since the last call: whoever polls
/// tasks then looks at its reactor first, since what used it up took its time.
#[inline]
pub(crate) fn take_pended() -> bool {
    PENDED.try_with(|pended| pended.replace(false)).unwrap_or(false)
}

/// The budget of a future that is ready once, after it has waited: a timer or a join handle.
///
/// Such a future pends for the budget at most once, and never after it has waited for its own
/// event. So a select that polls it last can't miss it, however busy the other branches are.
///
/// ```
/// use policy_core::budget::{self, Once};
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// budget::renewed(|| {
///     while budget::poll(&mut cx, |_| Poll::Ready(())).is_ready() {}
///     let mut once = Once::new();
///     assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_pending());
///     assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_ready());
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Once(Progress);

#[derive(Clone, Copy, Debug, Default)]
enum Progress {
    #[default]
    Fresh,
    MustYield,
    Waited,
}

impl Once {
    /// Makes the budget of a future that was not polled yet.
    ///
    /// ```
    /// use policy_core::budget::Once;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(Once::new().poll(&mut cx, |_| Poll::Ready(())).is_ready());
    /// ```
    pub const fn new() -> Self {
        Self(Progress::Fresh)
    }

    /// Makes the budget of a future that always pends once, like asyncio's `sleep(0)`.
    ///
    /// ```
    /// use policy_core::budget::Once;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut once = Once::yielding();
    /// assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_pending());
    /// assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_ready());
    /// ```
    pub const fn yielding() -> Self {
        Self(Progress::MustYield)
    }

    /// Like [`poll`](fn@poll), for the future that this belongs to. Once that was ready, it starts
    /// again.
    ///
    /// ```
    /// use policy_core::budget::Once;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(Once::new().poll(&mut cx, |_| Poll::Ready(1)), Poll::Ready(1));
    /// ```
    #[inline]
    pub fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let pends = match self.0 {
            Progress::Fresh => !has_remaining(),
            Progress::MustYield => true,
            Progress::Waited => false,
        };
        if pends {
            self.0 = Progress::Waited;
            return pend(cx);
        }
        let polled = poll(cx);
        if polled.is_ready() {
            self.0 = Progress::Fresh;
            spend();
        } else {
            self.0 = Progress::Waited;
        }
        polled
    }
}

/// Calls `f`, which polls a task, with a budget of its own.
///
/// ```
/// use policy_core::budget;
///
/// budget::unconstrained(|| budget::renewed(|| assert!(budget::has_remaining())));
/// ```
#[inline]
pub fn renewed<R>(f: impl FnOnce() -> R) -> R {
    with(Budget::OF_A_POLL, f)
}

/// Calls `f` with the budget of the poll around it, or with a budget of its own if it is called
/// outside of our polls.
///
/// ```
/// use policy_core::budget;
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// budget::renewed(|| {
///     while budget::poll(&mut cx, |_| Poll::Ready(())).is_ready() {}
///     budget::shared(|| assert!(!budget::has_remaining()));
/// });
/// budget::shared(|| assert!(budget::has_remaining()));
/// ```
#[inline]
pub fn shared<R>(f: impl FnOnce() -> R) -> R {
    let outside = BUDGET.try_with(|budget| budget.get().floor == Budget::OUTSIDE.floor);
    if outside == Ok(true) { renewed(f) } else { f() }
}

/// Calls `f` without a limit on what it spends.
///
/// ```
/// use policy_core::budget;
/// use std::task::{Context, Poll, Waker};
///
/// let mut cx = Context::from_waker(Waker::noop());
/// budget::unconstrained(|| {
///     assert!((0..1000).all(|_| budget::poll(&mut cx, |_| Poll::Ready(())).is_ready()));
/// });
/// ```
#[inline]
pub fn unconstrained<R>(f: impl FnOnce() -> R) -> R {
    with(Budget::UNLIMITED, f)
}

/// Calls `f`, which blocks although a poll calls it, as what no poll surrounds.
#[inline]
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    with(Budget::OUTSIDE, f)
}

#[inline]
fn with<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Budget>);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            if let Some(outer) = self.0 {
                let _ending = BUDGET.try_with(|budget| budget.set(outer));
            }
        }
    }
    let _restore = Restore(BUDGET.try_with(|current| current.replace(budget)).ok());
    f()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Wake, Waker};

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Polls what is always ready until it pends, and returns how often it was ready.
    fn drain() -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        (0..10_000).take_while(|_| poll(&mut cx, |_| Poll::Ready(())).is_ready()).count()
    }

    #[test]
    fn what_is_always_ready_pends_after_its_share_and_wakes_its_task() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        renewed(|| {
            assert_eq!(drain(), 128);
            let pended = poll(&mut Context::from_waker(&waker), |_| Poll::Ready(()));
            assert!(pended.is_pending());
        });
        assert_eq!(wakes.0.load(Relaxed), 1);
    }

    #[test]
    fn what_waits_spends_nothing() {
        let mut cx = Context::from_waker(Waker::noop());
        renewed(|| {
            for _ in 0..1000 {
                assert!(poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
            }
            assert_eq!(drain(), 128);
        });
    }

    #[test]
    fn a_poll_inside_of_a_poll_leaves_the_outer_budget_as_it_was() {
        renewed(|| {
            assert!(poll(&mut Context::from_waker(Waker::noop()), |_| Poll::Ready(())).is_ready());
            assert_eq!(renewed(drain), 128);
            assert_eq!(unconstrained(drain), 10_000);
            assert_eq!(shared(drain), 127);
            assert!(!has_remaining());
        });
    }

    #[test]
    fn a_panic_leaves_the_outer_budget_as_it_was() {
        renewed(|| {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                renewed(|| {
                    drain();
                    std::panic::resume_unwind(Box::new(()))
                })
            }));
            assert!(panicked.is_err());
            assert_eq!(drain(), 128);
        });
    }

    #[test]
    fn outside_of_any_poll_each_of_several_parts_pends_and_then_goes_on() {
        std::thread::spawn(|| {
            assert_eq!(drain(), 128);
            // The rest of a select's parts see the same.
            assert!((0..15).all(|_| drain() == 0));
            let mut tries = 0..100;
            assert!(tries.any(|_| drain() == 128), "exhausted for ever");
        })
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }

    #[test]
    fn who_blocks_inside_of_a_poll_goes_on_in_the_end() {
        renewed(|| {
            assert_eq!(drain(), 128);
            let vain = (0..10_000).take_while(|_| drain() == 0).count();
            assert!((1000..1100).contains(&vain), "{vain}");
        });
    }

    #[test]
    fn what_has_waited_is_ready_though_nothing_is_left() {
        let mut cx = Context::from_waker(Waker::noop());
        renewed(|| {
            let mut once = Once::new();
            assert!(once.poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
            drain();
            assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_ready());
            // And from the beginning again.
            assert!(once.poll(&mut cx, |_| Poll::Ready(())).is_pending());
        });
    }
}
