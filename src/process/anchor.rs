//! A descriptor that is waited for by whichever loop polls it.
//!
//! A child that was started under one loop may be awaited under another, or under
//! an executor that knows nothing of loops, while the first one is not run any
//! more. So a descriptor is registered where it is polled, and moves.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use policy_core::{Error, EventLoop, Interest, LoopId, Source};

use super::background;
use super::wakers::isolated;
use crate::ambient;

pub(super) struct Anchor {
    at: Option<(Ground, Box<dyn Source>)>,
    fd: Arc<OwnedFd>,
    /// The last waker, and what reactors are given in its place.
    waker: Option<(Waker, Waker)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Loop(LoopId),
    Background,
}

impl Anchor {
    /// Wraps a descriptor, registered nowhere yet.
    pub(super) fn new(fd: Arc<OwnedFd>) -> Self {
        Self { at: None, fd, waker: None }
    }

    /// Tries `op` whenever the descriptor may be ready; see [`Source::poll_io`].
    ///
    /// # Errors
    /// What `op` gives; the outer error if the descriptor can't be registered
    /// anywhere.
    pub(super) fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<Result<io::Result<usize>, Error>> {
        let waker = self.isolated(cx.waker());
        let source = match self.source() {
            Ok(source) => source,
            Err(error) => return Poll::Ready(Err(error)),
        };
        source.poll_io(&mut Context::from_waker(&waker), interest, op).map(Ok)
    }

    /// Returns a waker whose panic does not come out of a reactor: tokio's would end
    /// with its loop.
    fn isolated(&mut self, waker: &Waker) -> Waker {
        match &self.waker {
            Some((known, isolated)) if known.will_wake(waker) => isolated.clone(),
            _ => {
                let isolated = Waker::from(Arc::new(Isolated(waker.clone())));
                self.waker = Some((waker.clone(), isolated.clone()));
                isolated
            }
        }
    }

    /// Registers with the background, whatever loop runs: for a loop whose reactor
    /// fails.
    pub(super) fn move_to_background(&mut self) -> Result<(), Error> {
        self.at = None;
        self.at = Some((Ground::Background, background::register(self.fd.clone())?));
        Ok(())
    }

    pub(super) fn is_in_background(&self) -> bool {
        matches!(self.at, Some((Ground::Background, _)))
    }

    fn source(&mut self) -> Result<&dyn Source, Error> {
        let running = driven_loop().filter(|event_loop| event_loop.selector().is_ok());
        let ground =
            running.as_ref().map_or(Ground::Background, |found| Ground::Loop(found.state().id()));
        if self.at.as_ref().is_some_and(|(at, _)| *at != ground) {
            // First out, then in: two loops may share one reactor.
            self.at = None;
        }
        if self.at.is_none() {
            self.at = Some(register(running, ground, &self.fd)?);
        }
        match &self.at {
            Some((_, source)) => Ok(&**source),
            None => Err(policy_core::ErrorKind::NoRunningLoop.into()),
        }
    }
}

struct Isolated(Waker);

impl Wake for Isolated {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        isolated("a waker", || self.0.wake_by_ref());
    }
}

fn register(
    running: Option<Arc<dyn EventLoop>>,
    ground: Ground,
    fd: &Arc<OwnedFd>,
) -> Result<(Ground, Box<dyn Source>), Error> {
    if let Some(event_loop) = running {
        if let Ok(source) = event_loop.selector()?.register(fd.clone()) {
            return Ok((ground, source));
        }
    }
    Ok((Ground::Background, background::register(fd.clone())?))
}

/// Returns the loop that runs this code, if it will notice when something is ready: one
/// that was only entered (`policy::within`, another executor's `block_on`) need not be
/// run by anybody.
pub(super) fn driven_loop() -> Option<Arc<dyn EventLoop>> {
    ambient::running().filter(|event_loop| {
        !event_loop.is_closed() && (event_loop.is_running() || event_loop.is_self_driving())
    })
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor")
            .field("fd", &self.fd)
            .field("at", &self.at.as_ref().map(|(ground, _)| ground))
            .finish()
    }
}
