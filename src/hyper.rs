//! hyper on any loop: its executor and its timers.
//!
//! hyper can use the streams of [`net`](crate::net) as connections directly: with this feature they
//! implement `hyper::rt::Read` and `hyper::rt::Write`.
//!
//! [`serve`] is a server on them, which limits what its clients can use ([`Limits`]).
//!
//! ```
//! # fn example<B>(builder: &mut B) where B: TakesTimer {
//! use policy::hyper::{Executor, Timer};
//!
//! // hyper::server::conn::http1::Builder::new().timer(Timer::new())
//! // hyper::server::conn::http2::Builder::new(Executor::new()).timer(Timer::new())
//! builder.timer(Timer::new());
//! # let _executor = Executor::new();
//! # }
//! # trait TakesTimer { fn timer(&mut self, timer: policy::hyper::Timer); }
//! ```

mod body;
#[cfg(feature = "hyper-client")]
mod connector;
mod limits;
mod pace;
mod paced;
mod places;
mod serve;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::EventLoop;

use crate::time;

pub use body::Body;
#[cfg(feature = "hyper-client")]
pub use connector::Connector;
pub use limits::Limits;
pub use serve::{Serve, Served, serve};

/// Runs hyper's tasks: on the loop that runs where they are spawned, or on a given one.
///
/// ```
/// use hyper::rt::Executor as _;
/// use policy::hyper::Executor;
///
/// policy::run(async {
///     let (send, receive) = async_channel::bounded(1);
///     Executor::new().execute(async move { send.send(6 * 7).await.expect("it is waited for") });
///     assert_eq!(receive.recv().await, Ok(42));
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Executor {
    event_loop: Option<Arc<dyn EventLoop>>,
}

impl Executor {
    /// Makes an executor that uses the loop that runs wherever it is called.
    ///
    /// # Panics
    /// Panics when it is called outside any loop, like [`spawn`](crate::spawn).
    ///
    /// ```
    /// use hyper::rt::Executor as _;
    ///
    /// let executor = policy::hyper::Executor::new(); // no loop yet
    /// policy::run(async move { executor.execute(async { println!("on the loop of this run") }) });
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an executor for this loop. A closed loop drops the tasks.
    ///
    /// ```
    /// let event_loop = policy::new_event_loop()?;
    /// let executor = policy::hyper::Executor::on(event_loop.clone());
    /// let (send, receive) = async_channel::bounded(1);
    /// hyper::rt::Executor::execute(&executor, async move { send.send(1).await.expect("is read") });
    /// assert_eq!(event_loop.run_until_complete(receive.recv())?, Ok(1));
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[must_use]
    pub fn on(event_loop: Arc<dyn EventLoop>) -> Self {
        Self { event_loop: Some(event_loop) }
    }
}

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        // A handle that is dropped lets its task go on.
        drop(match &self.event_loop {
            Some(event_loop) => event_loop.spawn(future),
            None => crate::spawn(future),
        });
    }
}

/// Makes hyper's timers, with the timers of the running loop.
///
/// ```
/// use hyper::rt::Timer as _;
/// use policy::hyper::Timer;
/// use std::time::{Duration, Instant};
///
/// let began = Instant::now();
/// policy::run(async { Timer::new().sleep(Duration::from_millis(5)).await });
/// assert!(began.elapsed() >= Duration::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer(());

impl Timer {
    /// Makes a timer factory.
    ///
    /// ```
    /// use hyper::rt::Timer as _;
    /// use std::time::Duration;
    ///
    /// let timer = policy::hyper::Timer::new();
    /// policy::run(async {
    ///     let mut sleep = timer.sleep(Duration::from_secs(3600));
    ///     // For the next request, hyper sets the same timer to another time.
    ///     timer.reset(&mut sleep, std::time::Instant::now());
    ///     sleep.await;
    /// });
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(time::sleep_until(deadline))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<time::Sleep>() {
            Some(ours) => ours.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl ::hyper::rt::Sleep for time::Sleep {}
