//! The main future, on an executor that may fail before it has polled it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The main future of a run, and whether the executor has come as far as to poll it.
#[allow(missing_debug_implementations, reason = "a future that somebody else has made")]
pub struct MainFuture<'a> {
    main: Pin<&'a mut dyn Future<Output = ()>>,
    was_polled: bool,
}

impl<'a> MainFuture<'a> {
    /// Wraps the main future of a run.
    pub fn new(main: Pin<&'a mut dyn Future<Output = ()>>) -> Self {
        Self { main, was_polled: false }
    }

    /// Returns true once it was polled.
    pub fn was_polled(&self) -> bool {
        self.was_polled
    }
}

impl Future for MainFuture<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.was_polled = true;
        self.main.as_mut().poll(cx)
    }
}
