//! Something that happens once, and that many wait for.

use std::convert::Infallible;

use async_channel::{Receiver, Sender};

/// Raised once, for all clones.
#[derive(Clone)]
pub(crate) struct Flag {
    // Nothing is ever sent: closing it is the news.
    raise: Sender<Infallible>,
    raised: Receiver<Infallible>,
}

impl Flag {
    pub(crate) fn new() -> Self {
        let (raise, raised) = async_channel::bounded(1);
        Self { raise, raised }
    }

    pub(crate) fn raise(&self) {
        self.raise.close();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised.is_closed()
    }

    /// Waits until it is raised.
    pub(crate) async fn raised(&self) {
        let _closed = self.raised.recv().await;
    }
}
