//! Whether a client is too slow.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::time::{self, Instant, Sleep};

/// So many bytes have to come, or go, in the time that is given.
const PIECE: usize = 1024;

/// Watches one direction of a client: how long it has been waited for.
pub(super) struct Pace {
    /// For a piece.
    time: Duration,
    /// What is left of that, and of the time for all pieces.
    left: Duration,
    total: Duration,
    /// Of this piece.
    moved: usize,
    /// Since when it is waited for, and until when. In a box: most clients are never waited for.
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// What a client has taken too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooSlow {
    Piece,
    Total,
}

impl Pace {
    pub(super) fn new(time: Duration, total: Duration) -> Self {
        Self { time, left: time, total, moved: 0, wait: None }
    }

    /// Learns that so many bytes came or went.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some((since, _)) = self.wait.take() {
            let waited = Instant::now().saturating_duration_since(since);
            self.left = self.left.saturating_sub(waited);
            self.total = self.total.saturating_sub(waited);
        }
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= PIECE {
            (self.left, self.moved) = (self.time, 0);
        }
    }

    /// Learns that the client is not waited for any more.
    pub(super) fn rest(&mut self) {
        self.moved(PIECE);
    }

    /// Learns that the client is waited for. Is ready when it is too slow.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<TooSlow> {
        let (for_piece, for_all) = (self.left, self.total);
        let (_, sleep) = self.wait.get_or_insert_with(|| {
            let sleep = time::sleep(for_piece.min(for_all));
            (Instant::now(), Box::pin(sleep))
        });
        let is_piece = for_piece <= for_all;
        sleep.as_mut().poll(cx).map(|()| if is_piece { TooSlow::Piece } else { TooSlow::Total })
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("time", &self.time).finish_non_exhaustive()
    }
}
