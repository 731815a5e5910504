//! Timers in async-io's reactor.

use std::time::Instant;

use policy_core::Timer;

/// Makes a timer that is ready at `deadline`, on any thread that polls it.
///
/// ```
/// use std::time::Instant;
///
/// async_io::block_on(policy_async_io::timer::at(Instant::now()));
/// ```
#[must_use = "a timer does nothing unless it is awaited"]
pub fn at(deadline: Instant) -> Timer {
    Timer::new(async move { _ = async_io::Timer::at(deadline).await })
}
