//! The main entry: a loop for one future.

use std::future::Future;

use policy_core::{Error, ErrorKind};

use crate::{Runner, ambient, interrupt};

/// Runs `future` on a new event loop of the policy, and returns its result
/// (asyncio's `run`).
///
/// When `future` is done, tasks that are left are cancelled and waited for, blocking
/// jobs are waited for, and the loop is closed. The loop is the current one of this
/// context meanwhile. May be called on any thread on which no loop runs.
///
/// # Ctrl-C
/// As in asyncio, the first Ctrl-C does not end the process at once: `future` is
/// dropped, what is left is cleaned up as above, and then the process ends by SIGINT,
/// which a shell sees. The second ends it at once, also while the first is dealt with.
/// That is so on the main thread of a program that has not said what SIGINT means. Who
/// listens, by [`signal::ctrl_c`](crate::signal::ctrl_c) or otherwise, decides; so does
/// a handler that is there; [`try_run`] gives an error instead of ending the process;
/// and [`Runner::handle_sigint`] turns it off.
///
/// # Panics
/// If no loop can be made, or one runs on this thread already: [`try_run`] gives an
/// error then. If `future` panics: with its payload, after the loop was closed.
///
/// ```
/// let sum = policy::run(async {
///     let one = policy::spawn(async { 1 });
///     let two = policy::spawn_blocking(|| 2);
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    match try_run(future) {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::Interrupted => interrupt::die(),
        Err(error) => ambient::fail(&error),
    }
}

/// As [`run`], with an error where that panics.
///
/// # Errors
/// [`Interrupted`](crate::ErrorKind::Interrupted) after the first Ctrl-C, when `future`
/// was dropped and the loop closed;
/// [`OtherLoopRunning`](crate::ErrorKind::OtherLoopRunning) inside a running loop;
/// [`StoppedBeforeComplete`](crate::ErrorKind::StoppedBeforeComplete) if `future`
/// stops its loop; or what making the loop gives. The context is left as it was.
///
/// # Panics
/// If `future` panics: with its payload, after the loop was closed.
///
/// ```
/// policy::run(async {
///     let error = policy::try_run(async {}).unwrap_err();
///     assert_eq!(error.kind(), policy::ErrorKind::OtherLoopRunning);
/// });
/// ```
#[track_caller]
pub fn try_run<F: Future>(future: F) -> Result<F::Output, Error> {
    Runner::new().run(future)
}
