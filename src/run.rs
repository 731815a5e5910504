//! The main entry: a loop for one future.

use std::future::Future;

use policy_core::{Error, ErrorKind};

use crate::{Runner, ambient, interrupt};

/// Runs `future` on a new event loop of the policy, and returns its output (asyncio's `run`).
///
/// When `future` completes, the remaining tasks are cancelled and awaited, blocking jobs are
/// awaited, and the loop is closed. Meanwhile the loop is the current one of this context. May be
/// called on any thread on which no loop runs.
///
/// # Ctrl-C
/// As in asyncio, the first Ctrl-C does not end the process at once: `future` is dropped,
/// everything else is cleaned up as above, and then the process ends by SIGINT, which a shell sees.
/// The second one ends it at once, also during the cleanup after the first. This applies on the
/// main thread of a program that does not handle SIGINT itself. A listener
/// ([`signal::ctrl_c`](crate::signal::ctrl_c) or another) decides instead, and so does an installed
/// handler; [`try_run`] returns an error instead of ending the process; and
/// [`Runner::handle_sigint`] turns it off.
///
/// # Panics
/// Panics if no loop can be made, or one runs on this thread already; [`try_run`] returns an error
/// instead. If `future` panics, the panic is resumed with its payload after the loop was closed.
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

/// Like [`run`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`Interrupted`](crate::ErrorKind::Interrupted) after the first Ctrl-C, when `future` was
/// dropped and the loop closed; [`OtherLoopRunning`](crate::ErrorKind::OtherLoopRunning) inside a
/// running loop; [`StoppedBeforeComplete`](crate::ErrorKind::StoppedBeforeComplete) if `future`
/// stops its loop; or the error of making the loop. The context is restored.
///
/// # Panics
/// If `future` panics, the panic is resumed with its payload after the loop was closed.
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
