//! Timers in async-io's reactor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
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
    Timer::new(Sleep(async_io::Timer::at(deadline)))
}

/// A named type and not an `async` block, which would hold the timer twice: it
/// has to fit into [`Timer`] without a box.
struct Sleep(async_io::Timer);

const _: () = assert!(size_of::<Sleep>() <= 128, "each timer would be boxed");

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
