//! The clock of the loop that runs here, in the hands of a test.

use std::sync::Arc;
use std::time::Duration;

pub use policy_core::clock::Advance;
use policy_core::{Error, ErrorKind, EventLoop};

use crate::ambient;

/// Pauses the clock of the loop that runs here: time stands still, and when everything
/// else is idle, jumps to the next deadline of whoever waits for one.
///
/// For tests: hours pass in no time, and in the right order. All of this loop follows,
/// what waited before, too: [`sleep`](super::sleep), [`interval`](super::interval),
/// [`timeout`](super::timeout), `call_later`, and [`Instant::now`](super::Instant::now)
/// in its tasks. Other loops are not concerned.
///
/// Idle is a loop when none of its tasks, nor the future that it is run for, has
/// anything to do, and its reactor has nothing that is ready. While a blocking job of
/// the loop runs, or a child is waited for, time does not jump: their time is real, as
/// that of sockets is. Nor does it while nobody runs the loop. What was given to the
/// executor itself (`tokio::spawn`, `tokio::time`) is not seen.
///
/// Pauses nest: time goes on after as many calls of [`resume`]. It need not be resumed
/// before the loop ends.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
/// [`Unsupported`](crate::ErrorKind::Unsupported), with nothing changed, if the loop
/// can't know when everything is idle, because its executor is somebody else's:
/// [`pause_without_jumping`] works there.
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

/// As [`pause`], on every loop: time moves by [`advance`] only.
///
/// # Errors
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop).
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

/// Takes back one [`pause`]. With the last, time goes on, from where it has come to: it
/// never goes back.
///
/// # Errors
/// [`NotPaused`](crate::ErrorKind::NotPaused);
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop).
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

/// Moves the time of the loop that runs here on by `duration`, while it is
/// [paused](pause).
///
/// Whoever waits for a deadline up to then is woken, in the order of deadlines and,
/// among equal ones, of coming; at each deadline time stands until the tasks that were
/// woken wait again. Tasks that have something to do come first: also for a duration of
/// zero. Blocking jobs and children are not waited for.
///
/// Cancel safe: when the future is dropped, time stays where it has come to.
///
/// # Errors
/// [`NotPaused`](crate::ErrorKind::NotPaused), also if the clock is resumed meanwhile;
/// [`NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a time that no clock can hold.
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
