//! The clock of the running loop, controlled by a test.

use std::sync::Arc;
use std::time::Duration;

pub use policy_core::clock::Advance;
use policy_core::{Error, ErrorKind, EventLoop};

use crate::ambient;

/// Pauses the clock of the running loop: time stands still and, when everything else is idle, jumps
/// to the next deadline that a task or callback waits for.
///
/// For tests: hours pass in no time, and in the right order. Everything of this loop follows the
/// clock, also what was waiting already: [`sleep`](super::sleep), [`interval`](super::interval),
/// [`timeout`](super::timeout), `call_later`, and [`Instant::now`](super::Instant::now) in its
/// tasks. Other loops are not affected.
///
/// A loop is idle when neither its tasks nor the future that it runs have anything to do, and its
/// reactor has nothing that is ready. While a blocking job of the loop runs, or a task waits for a
/// child, time does not jump: their time is real, like that of sockets. Nor does it jump while no
/// thread runs the loop. The clock does not see what you give to the executor itself
/// (`tokio::spawn`, `tokio::time`).
///
/// Pauses nest: time goes on after as many calls of [`resume`]. You need not resume the clock
/// before the loop ends.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if no loop runs here. Returns
/// [`Unsupported`](crate::ErrorKind::Unsupported), and changes nothing, if the loop can't know when
/// everything is idle, because its executor is shared with other code: [`pause_without_jumping`]
/// works there.
///
/// ```
/// use policy::time::{Duration, Instant, pause, sleep};
///
/// # fn main() -> Result<(), policy::Error> {
/// policy::run(async {
///     pause()?;
///     let start = Instant::now();
///     sleep(Duration::from_secs(60 * 60)).await; // returns at once
///     assert_eq!(start.elapsed(), Duration::from_secs(60 * 60));
///     Ok(())
/// })
/// # }
/// ```
pub fn pause() -> Result<(), Error> {
    here()?.pause()
}

/// Like [`pause`], but works on every loop: time moves by [`advance`] only.
///
/// # Errors
/// Returns [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if no loop runs here.
///
/// ```
/// use policy::time::{Duration, advance, pause_without_jumping, sleep};
///
/// # fn main() -> Result<(), policy::Error> {
/// policy::run(async {
///     pause_without_jumping()?;
///     let task = policy::spawn(sleep(Duration::from_secs(60)));
///     advance(Duration::from_secs(59)).await?;
///     assert!(!task.is_finished());
///     advance(Duration::from_secs(1)).await?;
///     assert!(task.is_finished());
///     Ok(())
/// })
/// # }
/// ```
pub fn pause_without_jumping() -> Result<(), Error> {
    here()?.pause_without_jumping()
}

/// Undoes one [`pause`]. After the last one, time goes on from where it stands: it never goes back.
///
/// # Errors
/// Returns [`NotPaused`](crate::ErrorKind::NotPaused) if the clock is not paused, and
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if no loop runs here.
///
/// ```
/// use policy::time::{pause, resume};
///
/// # fn main() -> Result<(), policy::Error> {
/// policy::run(async {
///     pause()?;
///     resume()?;
///     assert!(resume().is_err());
///     Ok(())
/// })
/// # }
/// ```
pub fn resume() -> Result<(), Error> {
    here()?.resume()
}

/// Moves the time of the running loop forward by `duration`, while it is [paused](pause).
///
/// Wakes the tasks whose deadlines are passed, in the order of their deadlines; among equal
/// deadlines, the one that began to wait first is woken first. Time stops at each deadline until
/// the woken tasks wait again. Tasks that are ready run first, even if the duration is zero. Does
/// not wait for blocking jobs and children.
///
/// Cancel safe: if the future is dropped, time stays where it is by then.
///
/// # Errors
/// Returns [`NotPaused`](crate::ErrorKind::NotPaused) if the clock is not paused, or is resumed
/// meanwhile, [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if no loop runs here, and
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a time that no clock can represent.
///
/// ```
/// use policy::time::{Duration, Instant, advance, pause};
///
/// # fn main() -> Result<(), policy::Error> {
/// policy::run(async {
///     assert!(advance(Duration::from_secs(1)).await.is_err()); // it is not paused
///     pause()?;
///     let before = Instant::now();
///     advance(Duration::from_secs(3600)).await?;
///     assert_eq!(before.elapsed(), Duration::from_secs(3600));
///     Ok(())
/// })
/// # }
/// ```
pub async fn advance(duration: Duration) -> Result<(), Error> {
    // The loop is let go before: whoever waits here does not keep it open.
    let advance = here()?.advance(duration);
    advance.await
}

/// Returns the loop that this code is inside of: never one that would be made for the
/// purpose, whose clock nobody else would see.
fn here() -> Result<Arc<dyn EventLoop>, Error> {
    ambient::here().ok_or_else(|| ErrorKind::NoRunningLoop.into())
}
