//! A source that any number of tasks can wait for.

use std::fmt;
use std::io;
use std::mem;
use std::task::{Context, Poll, Waker};

use super::waiters::Waiters;
use crate::local::Generation;
use crate::os::BorrowedIo;
use crate::{Error, ErrorKind, Interest, Source};

/// Shares a [`Source`], which knows one waker per direction, among any number of tasks.
///
/// If two tasks accept from one listener, neither is forgotten: when it becomes ready both are
/// woken, and the one that comes too late waits again. With a single task it costs next to nothing;
/// a waker that panics affects no other task.
///
/// ```
/// use policy_core::{Interest, SharedSource};
/// use std::future::poll_fn;
/// use std::io;
///
/// async fn readable(source: &SharedSource) -> io::Result<usize> {
///     let mut asked = false;
///     poll_fn(|cx| {
///         source.poll_io(cx, Interest::Readable, &mut |_| {
///             // A real operation asks the system each time.
///             if std::mem::replace(&mut asked, true) { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
///         })
///     })
///     .await
/// }
/// # let _readable = readable;
/// ```
pub struct SharedSource {
    generation: Generation,
    source: Box<dyn Source>,
    readers: Waiters,
    writers: Waiters,
}

impl SharedSource {
    /// Shares a source.
    ///
    /// ```
    /// use policy_core::{Error, SharedSource, Selector, os::OwnedIo};
    /// use std::sync::Arc;
    ///
    /// fn share(selector: &dyn Selector, io: Arc<OwnedIo>) -> Result<SharedSource, Error> {
    ///     selector.register(io).map(SharedSource::new)
    /// }
    /// # let _share = share;
    /// ```
    pub fn new(source: Box<dyn Source>) -> Self {
        Self {
            generation: Generation::current(),
            source,
            readers: Waiters::new(),
            writers: Waiters::new(),
        }
    }

    /// Tries `op` until it returns anything but `WouldBlock`, like [`Source::poll_io`], for one of
    /// many tasks.
    ///
    /// Returns what `op` itself returned, and not what the source claims, because any crate can
    /// implement a source in safe code: you can rely on the number of bytes, also for memory that
    /// `op` has filled. Once `op` has succeeded it is not called again.
    ///
    /// # Errors
    /// Returns the errors of `op` and of the source; an error if the source reports that an operation
    /// is done which it has not tried; and [`ErrorKind::Forked`] inside, in a child of `fork`.
    ///
    /// ```
    /// # use policy_core::{Interest, SharedSource, os::BorrowedIo};
    /// # use std::io;
    /// # use std::task::{Context, Poll};
    /// fn poll_read(
    ///     source: &SharedSource,
    ///     cx: &mut Context<'_>,
    ///     mut read: impl FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    /// ) -> Poll<io::Result<usize>> {
    ///     source.poll_io(cx, Interest::Readable, &mut |io| read(io))
    /// }
    /// ```
    #[inline]
    pub fn poll_io<Op>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut Op,
    ) -> Poll<io::Result<usize>>
    where
        Op: FnMut(BorrowedIo<'_>) -> io::Result<usize> + ?Sized,
    {
        if self.generation.is_past() {
            return Poll::Ready(Err(forked()));
        }
        let waiters = self.waiters(interest);
        if let Some(version) = waiters.knows(cx.waker()) {
            let polled = self.ask(cx, interest, op);
            if waiters.end(version, polled.is_pending()) || polled.is_ready() {
                return polled;
            }
        }
        self.poll_anew(cx, interest, op)
    }

    /// Waits until the descriptor may be ready, like [`Source::poll_ready`], for one of many tasks.
    ///
    /// # Errors
    /// Returns the errors of the source; [`ErrorKind::Forked`] inside, in a child of `fork`.
    ///
    /// ```
    /// use policy_core::{Interest, SharedSource};
    /// use std::future::poll_fn;
    /// use std::io;
    ///
    /// async fn readable(source: &SharedSource) -> io::Result<()> {
    ///     poll_fn(|cx| source.poll_ready(cx, Interest::Readable)).await
    /// }
    /// # let _readable = readable;
    /// ```
    pub fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        if self.generation.is_past() {
            return Poll::Ready(Err(forked()));
        }
        self.waiters(interest).poll(cx, |cx| self.source.poll_ready(cx, interest))
    }

    #[cold]
    fn poll_anew<Op>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut Op,
    ) -> Poll<io::Result<usize>>
    where
        Op: FnMut(BorrowedIo<'_>) -> io::Result<usize> + ?Sized,
    {
        self.waiters(interest).poll(cx, |cx| self.ask(cx, interest, op))
    }

    /// Polls the source, and believes nothing that it says of the operation.
    // Generic, so that one call by pointer still leads from the source to the system.
    #[inline]
    fn ask<Op>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut Op,
    ) -> Poll<io::Result<usize>>
    where
        Op: FnMut(BorrowedIo<'_>) -> io::Result<usize> + ?Sized,
    {
        let mut done = None;
        let polled = self.source.poll_io(cx, interest, &mut |io| {
            // What the first call has taken would be lost with the second's.
            if let Some(done) = done {
                return Ok(done);
            }
            op(io).inspect(|&result| done = Some(result))
        });
        match (done, polled) {
            (Some(done), _) => Poll::Ready(Ok(done)),
            (None, Poll::Ready(Ok(_))) => Poll::Ready(Err(untried())),
            (None, polled) => polled,
        }
    }

    /// Forgets who waited by this waker, so that the list of many who come and go while
    /// nothing happens does not grow.
    pub(crate) fn leave(&self, interest: Interest, waker: &Waker) {
        self.waiters(interest).leave(waker);
    }

    /// Wakes all who wait: the loop has ended, and they ask again.
    ///
    /// ```
    /// use policy_core::SharedSource;
    ///
    /// fn at_the_end_of_its_loop(source: &SharedSource) {
    ///     source.wake_all();
    /// }
    /// # let _at_the_end = at_the_end_of_its_loop;
    /// ```
    pub fn wake_all(&self) {
        if !self.generation.is_past() {
            self.readers.wake_all();
            self.writers.wake_all();
        }
    }

    #[inline]
    fn waiters(&self, interest: Interest) -> &Waiters {
        match interest {
            Interest::Readable => &self.readers,
            Interest::Writable => &self.writers,
        }
    }
}

impl Drop for SharedSource {
    fn drop(&mut self) {
        if self.generation.is_past() {
            // The system's part of a reactor is shared with the parent, which would not
            // hear of the descriptor any more. It stays open here.
            mem::forget(mem::replace(&mut self.source, Box::new(Gone)));
        }
    }
}

/// In place of a source that is left to itself.
#[derive(Debug)]
struct Gone;

impl Source for Gone {
    fn poll_io(
        &self,
        _cx: &mut Context<'_>,
        _interest: Interest,
        _op: &mut dyn FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(forked()))
    }
}

#[cold]
fn forked() -> io::Error {
    Error::from(ErrorKind::Forked).into()
}

#[cold]
fn untried() -> io::Error {
    Error::new(
        ErrorKind::Unsupported,
        "the event loop says that an operation is done which it has not tried; report it to its adapter",
    )
    .into()
}

impl fmt::Debug for SharedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}
