//! What a resource has of a reactor: its registration, for any number of operations.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use crate::os::BorrowedIo;
use crate::{Interest, SharedSource, Source};

pub(super) struct Attached {
    source: SharedSource,
    non_blocking: AtomicBool,
}

impl Attached {
    pub(super) fn new(source: Box<dyn Source>) -> Self {
        Self { source: SharedSource::new(source), non_blocking: AtomicBool::new(false) }
    }

    /// Calls `make` the first time.
    pub(super) fn make_non_blocking(
        &self,
        make: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.non_blocking.load(Ordering::Acquire) {
            make()?;
            self.non_blocking.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Waits for one operation.
    pub(super) fn wait(&self, interest: Interest) -> Wait<'_> {
        Wait { source: &self.source, interest, waker: None }
    }
}

/// The wait of an operation, which is forgotten when it is dropped.
pub(super) struct Wait<'a> {
    source: &'a SharedSource,
    interest: Interest,
    /// By which it waits.
    waker: Option<Waker>,
}

impl Wait<'_> {
    /// As [`Source::poll_io`].
    pub(super) fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let polled = self.source.poll_io(cx, self.interest, op);
        if polled.is_ready() {
            self.waker = None;
        } else {
            match &mut self.waker {
                Some(known) => known.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        polled
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            self.source.leave(self.interest, waker);
        }
    }
}
