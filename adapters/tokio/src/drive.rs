//! What a runtime blocks on while a loop is run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The main future, and whether tokio has come as far as to poll it.
pub(crate) struct Drive<'a> {
    main: Pin<&'a mut dyn Future<Output = ()>>,
    was_polled: bool,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(main: Pin<&'a mut dyn Future<Output = ()>>) -> Self {
        Self { main, was_polled: false }
    }

    pub(crate) fn was_polled(&self) -> bool {
        self.was_polled
    }
}

impl Future for Drive<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.was_polled = true;
        self.main.as_mut().poll(cx)
    }
}
