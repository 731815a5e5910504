//! Tasks, on whichever loop runs here.
//!
//! | I want … | use |
//! |---|---|
//! | work that goes on beside me | [`spawn`] |
//! | a future that is not `Send` | [`spawn_local`] |
//! | a call that blocks | [`spawn_blocking`] |
//! | many tasks, results as they come | [`JoinSet`] |
//! | a task that ends with its owner | [`AbortOnDrop`] |
//! | a computation that lets others run | [`consume_budget`], [`yield_now`] |
//!
//! One contract on every executor: dropping a [`JoinHandle`] detaches its task,
//! `abort` cancels it, a panic is a value.

mod abort_on_drop;
mod budget;
mod join_set;
mod yield_now;

use std::future::Future;
use std::panic::Location;

use policy_core::Error;
pub use policy_core::task::{AbortHandle, Id, JoinError, JoinHandle, try_id};

use crate::ambient;

pub use abort_on_drop::AbortOnDrop;
pub use budget::{Unconstrained, consume_budget, has_budget_remaining, unconstrained};
pub use join_set::JoinSet;
pub use yield_now::{YieldNow, yield_now};

/// Runs `future` as a task of the loop that runs here (asyncio's `create_task`).
///
/// That is the running loop; or the tokio runtime of this thread (feature `tokio`);
/// or the loop of a policy whose loops run by themselves. If the loop has just been
/// closed, the handle says that the task was cancelled.
///
/// # Panics
/// If there is no such loop: [`try_spawn`] gives an error then.
///
/// ```
/// policy::run(async {
///     let task = policy::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let location = Location::caller();
    match ambient::with(|event_loop| event_loop.spawn_located(future, location)) {
        Ok(handle) => handle,
        Err(error) => ambient::fail(&error),
    }
}

/// As [`spawn`], with an error where that panics.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
/// [`LoopClosed`](crate::ErrorKind::LoopClosed).
///
/// ```
/// let error = policy::try_spawn(async {}).unwrap_err();
/// assert_eq!(error.kind(), policy::ErrorKind::NoRunningLoop);
/// ```
#[track_caller]
pub fn try_spawn<F>(future: F) -> Result<JoinHandle<F::Output>, Error>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let location = Location::caller();
    ambient::with(|event_loop| event_loop.try_spawn_located(future, location))?
}

/// Runs `future`, which need not be `Send`, on this thread, which must be the one
/// that runs the loop.
///
/// # Panics
/// If no loop runs here, or this thread is only one of its workers:
/// [`try_spawn_local`] gives an error then.
///
/// ```
/// use std::rc::Rc;
///
/// policy::run(async {
///     let shared = Rc::new(42);
///     let task = policy::spawn_local(async move { *shared });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match try_spawn_local(future) {
        Ok(handle) => handle,
        Err(error) => ambient::fail(&error),
    }
}

/// As [`spawn_local`], with an error where that panics.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
/// [`WrongThread`](crate::ErrorKind::WrongThread);
/// [`Unsupported`](crate::ErrorKind::Unsupported);
/// [`LoopClosed`](crate::ErrorKind::LoopClosed).
///
/// ```
/// let error = policy::try_spawn_local(async {}).unwrap_err();
/// assert_eq!(error.kind(), policy::ErrorKind::NoRunningLoop);
/// ```
#[track_caller]
pub fn try_spawn_local<F>(future: F) -> Result<JoinHandle<F::Output>, Error>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let location = Location::caller();
    ambient::with(|event_loop| event_loop.try_spawn_local_located(future, location))?
}

/// Runs `f` on a thread where it may block (asyncio's `to_thread`).
///
/// A job that has begun runs to its end, whatever becomes of the handle. Inside it,
/// ambient calls mean the same loop, yet no loop runs there: it may run one.
///
/// # Panics
/// If there is no loop, or no thread can be had: [`try_spawn_blocking`] gives an
/// error then.
///
/// ```
/// policy::run(async {
///     let text = policy::spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
///     assert!(text.await.unwrap().is_ok());
/// });
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match ambient::with(|event_loop| event_loop.spawn_blocking(f)) {
        Ok(handle) => handle,
        Err(error) => ambient::fail(&error),
    }
}

/// As [`spawn_blocking`], with an error where that panics.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
/// [`LoopClosed`](crate::ErrorKind::LoopClosed); [`Io`](crate::ErrorKind::Io) if no
/// thread can be had.
///
/// ```
/// let error = policy::try_spawn_blocking(|| ()).unwrap_err();
/// assert_eq!(error.kind(), policy::ErrorKind::NoRunningLoop);
/// ```
pub fn try_spawn_blocking<F, T>(f: F) -> Result<JoinHandle<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    ambient::with(|event_loop| event_loop.try_spawn_blocking(f))?
}
