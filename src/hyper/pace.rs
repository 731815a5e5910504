//! Whether a client is too slow.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Sleep;
use crate::time;

/// So many bytes have to come, or go, in the time that is given.
const PIECE: usize = 1024;

/// Watches one direction of a client.
pub(super) struct Pace {
    time: Duration,
    /// While it is waited for. In a box: most clients are never waited for.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Since that began.
    moved: usize,
}

impl Pace {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, sleep: None, moved: 0 }
    }

    /// Learns that so many bytes came or went.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= PIECE {
            self.rest();
        }
    }

    /// Learns that the client is not waited for any more.
    pub(super) fn rest(&mut self) {
        self.sleep = None;
        self.moved = 0;
    }

    /// Learns that the client is waited for. Is ready when it is too slow.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(Sleep::new(time::sleep(time))));
        sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("time", &self.time).finish_non_exhaustive()
    }
}
