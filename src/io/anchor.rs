//! A descriptor that stays with one loop.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use policy_core::sync::Mutex;
use policy_core::{
    AtEnd, Error, ErrorKind, EventLoop, Interest, SharedSource, budget, context, os,
};

use super::{BorrowedIo, OwnedIo, uninterrupted};
use crate::ambient;

/// A non-blocking descriptor that is registered with the loop that runs when it has to be
/// waited for first, and stays there.
///
/// Any number of tasks may use it at once, in both directions.
pub(crate) struct Anchor {
    // In this order: the descriptor leaves the reactor before it can be closed.
    home: OnceLock<Home>,
    /// Held by who looks for a home: it is registered once.
    settling: Mutex<()>,
    io: Arc<OwnedIo>,
}

/// What is done with a descriptor: [`io::ErrorKind::WouldBlock`] means to wait.
type Op<'a> = dyn FnMut(BorrowedIo<'_>) -> io::Result<usize> + 'a;

struct Home {
    // Weak: what a loop's task has does not keep the loop open.
    event_loop: Weak<dyn EventLoop>,
    source: Arc<SharedSource>,
    /// Once somebody waits whom another executor polls: the end of the loop drops what the
    /// loop polls, and wakes the others.
    end: OnceLock<AtEnd>,
}

impl Anchor {
    /// Wraps a descriptor that is non-blocking, registered nowhere yet.
    pub(crate) fn new(io: OwnedIo) -> Self {
        Self { home: OnceLock::new(), settling: Mutex::new(()), io: Arc::new(io) }
    }

    /// Returns the descriptor.
    pub(crate) fn io(&self) -> &OwnedIo {
        &self.io
    }

    /// Gives the descriptor back, registered nowhere.
    pub(crate) fn into_io(self) -> io::Result<OwnedIo> {
        let Self { home, io, .. } = self;
        drop(home);
        // A reactor may still hold it for a moment.
        Arc::try_unwrap(io).or_else(|shared| shared.try_clone())
    }

    /// Tries `op`, and again whenever the descriptor may be ready, until it gives
    /// anything but `WouldBlock`.
    ///
    /// What need not wait is done anywhere. What has to needs a loop.
    ///
    /// # Errors
    /// What `op` gives. A [`policy_core::Error`] inside, if nobody would notice when the
    /// descriptor is ready: no loop runs here, or that of the descriptor is closed, not
    /// run by anybody, or bound to another thread.
    #[inline]
    pub(crate) fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut op: impl FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| {
            // One closure, so that one call by pointer leads to the system.
            let op = &mut |io: BorrowedIo<'_>| uninterrupted(|| op(io));
            let Some(home) = self.home.get() else { return self.poll_first(cx, interest, op) };
            home.poll_io(cx, interest, op, &self.io)
        })
    }

    #[cold]
    fn poll_first(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut Op<'_>,
    ) -> Poll<io::Result<usize>> {
        match op(os::borrow(&*self.io)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        match self.settle() {
            Ok(home) => home.poll_io(cx, interest, op, &self.io),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Registers the descriptor with the loop that runs here.
    fn settle(&self) -> Result<&Home, Error> {
        self.settle_with(served_loop)
    }

    /// Registers the descriptor with `event_loop`, wherever it is waited for.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`], if it belongs to another loop. What the loop says.
    pub(crate) fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        event_loop.state().check_open()?;
        let home = self.settle_with(|| Ok(event_loop.clone()))?;
        if std::ptr::addr_eq(Arc::as_ptr(event_loop), home.event_loop.as_ptr()) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidInput,
            "this socket belongs to another event loop, which has waited for it; take it from there with `into_std` and `from_std`",
        ))
    }

    fn settle_with(
        &self,
        find: impl FnOnce() -> Result<Arc<dyn EventLoop>, Error>,
    ) -> Result<&Home, Error> {
        let _alone = self.settling.lock();
        if let Some(home) = self.home.get() {
            return Ok(home);
        }
        let event_loop = find()?;
        let source = event_loop.register(self.io.clone())?;
        let event_loop = Arc::downgrade(&event_loop);
        Ok(self.home.get_or_init(|| Home {
            event_loop,
            source: Arc::new(SharedSource::new(source)),
            end: OnceLock::new(),
        }))
    }
}

impl Home {
    #[inline]
    fn poll_io<Op>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut Op,
        io: &OwnedIo,
    ) -> Poll<io::Result<usize>>
    where
        Op: FnMut(BorrowedIo<'_>) -> io::Result<usize> + ?Sized,
    {
        let polled = self.source.poll_io(cx, interest, op);
        match &polled {
            Poll::Ready(Ok(_)) => polled,
            // The system's, and so the answer.
            Poll::Ready(Err(error)) if error.raw_os_error().is_some() => polled,
            // Not done: nobody may ever wake this task, or the reactor has failed.
            _ => match self.check() {
                Ok(()) => polled,
                Err(gone) => without_loop(op, io, gone),
            },
        }
    }

    /// Checks that somebody will notice when the descriptor is ready, or that the loop ends.
    fn check(&self) -> Result<(), Error> {
        // The usual case: it is the loop that runs here, and nothing has to be upgraded.
        let here = context::with_running(|event_loop| {
            std::ptr::addr_eq(Arc::as_ptr(event_loop), self.event_loop.as_ptr())
                .then(|| self.check_at(event_loop))
        });
        if let Some(checked) = here.flatten() {
            return checked;
        }
        match self.event_loop.upgrade() {
            Some(event_loop) => self.check_at(&event_loop),
            None => Err(closed()),
        }
    }

    fn check_at(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        check_served(&**event_loop)?;
        if self.end.get().is_none() && !context::is_polled_by(event_loop) {
            self.hear_of_the_end(event_loop);
            // Before that nobody would have told.
            return check_served(&**event_loop);
        }
        Ok(())
    }

    #[cold]
    fn hear_of_the_end(&self, event_loop: &Arc<dyn EventLoop>) {
        let source = Arc::downgrade(&self.source);
        let end = event_loop.at_end(move || {
            if let Some(source) = source.upgrade() {
                source.wake_all();
            }
        });
        // Not by `get_or_init`: a loop that ends now wakes at once, and a waker may do anything.
        let _second = self.end.set(end);
    }
}

/// What is there already can be had without a loop.
#[cold]
fn without_loop<Op>(op: &mut Op, io: &OwnedIo, gone: Error) -> Poll<io::Result<usize>>
where
    Op: FnMut(BorrowedIo<'_>) -> io::Result<usize> + ?Sized,
{
    Poll::Ready(match op(os::borrow(io)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(gone.into()),
        result => result,
    })
}

/// Returns the loop that ambient calls mean here, if somebody runs it.
///
/// # Errors
/// [`ErrorKind::NoRunningLoop`], [`ErrorKind::LoopClosed`], [`ErrorKind::Forked`].
pub(crate) fn served_loop() -> Result<Arc<dyn EventLoop>, Error> {
    let event_loop = ambient::event_loop()?;
    check_served(&*event_loop)?;
    Ok(event_loop)
}

fn check_served(event_loop: &dyn EventLoop) -> Result<(), Error> {
    let state = event_loop.state();
    if state.is_running() {
        return Ok(());
    }
    if state.is_closed() {
        return Err(closed());
    }
    state.check_open()?;
    if event_loop.is_self_driving() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NoRunningLoop,
        format!(
            "the event loop {} is not run by anybody, so nothing can be waited for there; run it, or use a loop with threads of its own",
            event_loop.state().name()
        ),
    ))
}

fn closed() -> Error {
    Error::new(
        ErrorKind::LoopClosed,
        "the event loop that this socket belongs to is closed; take it to another with `into_std` and `from_std`",
    )
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}
