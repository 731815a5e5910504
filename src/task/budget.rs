//! How much a task does before others have their turn.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use policy_core::budget;

/// Spends a unit of the budget of the task that calls it, and lets others run if none is
/// left.
///
/// Each poll of a task, and of the future that a loop is run for, has a budget of 128
/// units, on every loop. The sockets, pipes, timers, handles and signals of this crate
/// spend it: one unit each time that they are ready. When it is used up, they pend though
/// they are ready, and the task goes on after the others. So a task that always has
/// something to do holds up neither timers and other tasks, nor its own abort, nor the end
/// of the run.
///
/// What computes, or reads from a source that never waits and spends nothing, calls this
/// in its loop. It is cheap: a counter goes down. To let others run in any case, use
/// [`yield_now`](super::yield_now).
///
/// Cancel safe. Works on any executor; where no loop of this crate polls the task (one of
/// tokio's own, `block_on` of another crate), the thread has a budget, which is renewed
/// after it was used up.
///
/// ```
/// use policy::task::consume_budget;
/// use policy::time::{Duration, timeout};
///
/// policy::run(async {
///     let busy = async {
///         loop {
///             // … a part of a computation without an end …
///             consume_budget().await;
///         }
///     };
///     assert!(timeout(Duration::from_millis(1), busy).await.is_err());
/// });
/// ```
pub async fn consume_budget() {
    budget::consume().await;
}

/// Returns true if the task that runs here has some of its budget left; see
/// [`consume_budget`].
///
/// For a future that is polled by hand, which makes its progress in pieces: when there is
/// none left, it had better wake its task and pend.
///
/// ```
/// use policy::task::{consume_budget, has_budget_remaining};
///
/// policy::run(async {
///     while has_budget_remaining() {
///         consume_budget().await; // one of 128
///     }
///     consume_budget().await; // others run first
///     assert!(has_budget_remaining());
/// });
/// ```
pub fn has_budget_remaining() -> bool {
    budget::has_remaining()
}

/// Makes a future that spends no budget: it goes on for as long as it finds something to
/// do, and others wait meanwhile.
///
/// For a future that must not be interrupted by a turn of the loop, and ends soon. What it
/// spawns has budgets of its own. An executor's own budget is not changed: on a loop of
/// tokio, a socket has tokio's as well.
///
/// ```
/// use policy::task::{consume_budget, has_budget_remaining, unconstrained};
///
/// policy::run(async {
///     unconstrained(async {
///         for _ in 0..1000 {
///             consume_budget().await; // spends nothing
///         }
///         assert!(has_budget_remaining());
///     })
///     .await;
/// });
/// ```
pub fn unconstrained<F: IntoFuture>(future: F) -> Unconstrained<F::IntoFuture> {
    Unconstrained { future: future.into_future() }
}

pin_project! {
    /// The future of [`unconstrained`].
    ///
    /// ```
    /// policy::run(async {
    ///     let free: policy::task::Unconstrained<_> = policy::task::unconstrained(async { 1 });
    ///     assert_eq!(free.await, 1);
    /// });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        budget::unconstrained(|| this.future.poll(cx))
    }
}
