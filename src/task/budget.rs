//! How much a task may do before other tasks get their turn.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use policy_core::budget;

/// Spends a unit of the calling task's budget, and lets other tasks run if none is left.
///
/// Each poll of a task, and of the future that a loop runs, has a budget of 128 units, on every
/// loop. The sockets, pipes, timers, handles and signals of this crate spend it: one unit each time
/// that they are ready. When it is used up, they return `Pending` although they are ready, and the
/// task continues after the others. So a task that always has something to do delays neither timers
/// and other tasks, nor its own abort, nor the end of the run.
///
/// Call it in a loop that computes, or that reads from a source that never waits and spends
/// nothing. It is cheap: it decrements a counter. To let other tasks run in any case, use
/// [`yield_now`](super::yield_now).
///
/// Cancel safe. Works on any executor; if no loop of this crate polls the task (a task of tokio's
/// own, another crate's `block_on`), the thread has a budget, which is renewed after it was used
/// up.
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

/// Returns true if the running task has some of its budget left; see [`consume_budget`].
///
/// For a future that you poll by hand, and that makes progress in pieces: when no budget is left,
/// it should wake its task and return `Pending`.
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

/// Makes a future that spends no budget: it continues as long as it finds something to do, and
/// other tasks wait meanwhile.
///
/// For a future that must not be interrupted by a turn of the loop, and ends soon. Tasks that it
/// spawns have their own budgets. An executor's own budget stays in force: on a loop of tokio, a
/// socket also spends tokio's.
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
