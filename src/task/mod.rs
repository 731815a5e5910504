//! Tasks, on any loop.
//!
//! | I want … | use |
//! |---|---|
//! | work that goes on beside me | [`spawn`] |
//! | a future that is not `Send` | [`spawn_local`] |
//! | a call that blocks | [`spawn_blocking`], or [`block_in_place`] for a call that you can't move |
//! | many tasks, with results as they complete | [`JoinSet`] |
//! | a task that ends with its owner | [`AbortOnDrop`] |
//! | a computation that lets other tasks run | [`consume_budget`], [`yield_now`] |
//!
//! The contract is the same on every executor: dropping a [`JoinHandle`] detaches its task, `abort`
//! cancels it, and a panic becomes a value.

mod abort_on_drop;
mod block_in_place;
mod budget;
mod join_set;
mod yield_now;

use std::future::Future;
use std::panic::Location;

use policy_core::Error;
pub use policy_core::task::{AbortHandle, Id, JoinError, JoinHandle, try_id};

use crate::ambient;

pub use abort_on_drop::AbortOnDrop;
pub use block_in_place::block_in_place;
pub use budget::{Unconstrained, consume_budget, has_budget_remaining, unconstrained};
pub use join_set::JoinSet;
pub use yield_now::{YieldNow, yield_now};

/// Returns the task that runs here.
///
/// # Panics
/// Panics outside any task, as in the main future of a run; [`try_id`] returns `None` instead.
///
/// ```
/// policy::run(async {
///     let task = policy::spawn(async { policy::task::id() });
///     let id = task.id();
///     assert_eq!(task.await.unwrap(), id);
/// });
/// ```
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => ambient::fail(&Error::new(
            policy_core::ErrorKind::NoRunningLoop,
            "no task runs here: the main future of a run, and what runs outside of a loop, are none; call this inside `policy::spawn`, or take `try_id`",
        )),
    }
}

/// Spawns `future` as a task of the current loop (asyncio's `create_task`).
///
/// That is the running loop; or the tokio runtime of this thread (feature `tokio`); or the loop of
/// a policy whose loops run by themselves. If the loop has just been closed, the handle reports
/// that the task was cancelled.
///
/// # Panics
/// Panics if there is no such loop; [`try_spawn`] returns an error instead.
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

/// Like [`spawn`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no such loop, and
/// [`LoopClosed`](crate::ErrorKind::LoopClosed) if it was closed.
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

/// Spawns `future`, which need not be `Send`, on this thread, which must be the thread that runs
/// the loop.
///
/// # Panics
/// Panics if no loop runs here, or if this thread is only one of its workers; [`try_spawn_local`]
/// returns an error instead.
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

/// Like [`spawn_local`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no loop,
/// [`WrongThread`](crate::ErrorKind::WrongThread) if this thread does not run it,
/// [`Unsupported`](crate::ErrorKind::Unsupported) if the loop has no such tasks, and
/// [`LoopClosed`](crate::ErrorKind::LoopClosed) if it was closed.
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
/// A job that has begun runs to its end, whatever happens to the handle. Inside it, ambient calls
/// use the same loop, yet no loop runs there: the job may run one.
///
/// # Panics
/// Panics if there is no loop, or no thread is available; [`try_spawn_blocking`] returns an error
/// instead.
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

/// Like [`spawn_blocking`], but returns an error instead of panicking.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no loop,
/// [`LoopClosed`](crate::ErrorKind::LoopClosed) if it was closed, and [`Io`](crate::ErrorKind::Io)
/// if no thread is available.
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
