//! Whether this thread is polling for some tokio runtime, which can't be nested.

use std::task::{Context, Poll, Waker};

use policy_core::{Error, ErrorKind, LoopState};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::coop;

use crate::facilities::{is_thread_ending, thread_ending};

/// Checks that this thread may block on a runtime.
///
/// # Errors
/// [`ErrorKind::OtherLoopRunning`]; [`ErrorKind::Unsupported`] where the thread ends.
pub(crate) fn refuse() -> Result<(), Error> {
    if is_thread_ending() {
        return Err(thread_ending());
    }
    if is_polling() { Err(refused()) } else { Ok(()) }
}

pub(crate) fn refused() -> Error {
    Error::new(
        ErrorKind::OtherLoopRunning,
        "a tokio runtime is running this code, and a second one can't block its thread; `.await` the future, or run the loop on a thread of its own: `std::thread::spawn`",
    )
}

/// Checks that this thread is one of the runtime's, which has others to go on with.
///
/// # Errors
/// [`ErrorKind::Unsupported`].
pub(crate) fn may_block_in_place(handle: &Handle, state: &LoopState) -> Result<(), Error> {
    let is_here = Handle::try_current().is_ok_and(|here| here.id() == handle.id());
    let has_threads = handle.runtime_flavor() == RuntimeFlavor::MultiThread;
    // A pausable loop runs all its tasks on one thread.
    if is_here && has_threads && state.is_self_driving() {
        Ok(())
    } else {
        Err(bound_to_thread(state))
    }
}

pub(crate) fn bound_to_thread(state: &LoopState) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the tasks of the event loop {} that run here can't go on elsewhere while one blocks this thread; use `spawn_blocking`, or `TokioPolicy::multi_thread()`",
            state.name()
        ),
    )
}

/// Returns true if a tokio runtime polls this code.
///
/// tokio knows it, and does not expose it: `block_on` panics. Finding a runtime *handle* here
/// proves nothing: there is one on the threads of `spawn_blocking`, in `block_in_place` and under
/// `Handle::enter`, too, where blocking is allowed. But a poll has a budget, and those have none.
/// This overlooks only polls inside `tokio::task::unconstrained`; code that blocks there must catch
/// tokio's panic.
///
/// ```
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// assert!(runtime.block_on(async { policy_tokio::is_polling() }));
/// let entered = runtime.enter();
/// assert!(!policy_tokio::is_polling(), "a thread that has entered it may block");
/// # drop(entered);
/// ```
pub fn is_polling() -> bool {
    Handle::try_current().is_ok() && is_budgeted()
}

fn is_budgeted() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(before) = coop::poll_proceed(&mut cx) else { return true };
    // A budget is a `u8`: one that this can't use up is none.
    let spent = (0..=u8::MAX).any(|_| match coop::poll_proceed(&mut cx) {
        Poll::Ready(step) => {
            step.made_progress();
            false
        }
        Poll::Pending => true,
    });
    // Last: it puts the budget back to what it was before the first step.
    drop(before);
    spent
}
