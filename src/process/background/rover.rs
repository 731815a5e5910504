//! A descriptor that is waited for by whichever loop polls it.
//!
//! A child that was started under one loop may be awaited under another, or under
//! an executor that knows nothing of loops, while the first one is not run any
//! more. So a descriptor is registered where it is polled, and moves.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use policy_core::{Error, EventLoop, Interest, LoopId, SharedSource};

use crate::ambient;
use crate::io::uninterrupted;
use crate::process::background;

pub(in crate::process) struct Rover {
    // Boxed: most children have no pipes, and their handles room for three.
    at: Option<Box<(Ground, SharedSource)>>,
    fd: Arc<OwnedFd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Loop(LoopId),
    Background,
}

impl Rover {
    /// Wraps a descriptor, registered nowhere yet.
    pub(in crate::process) fn new(fd: Arc<OwnedFd>) -> Self {
        Self { at: None, fd }
    }

    pub(in crate::process) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Takes the descriptor out of the reactor.
    pub(in crate::process) fn into_fd(self) -> Arc<OwnedFd> {
        self.fd
    }

    /// Tries `op` whenever the descriptor may be ready; see [`Source::poll_io`].
    ///
    /// # Errors
    /// What `op` gives; the outer error if the descriptor can't be registered
    /// anywhere.
    pub(in crate::process) fn poll_io(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<Result<io::Result<usize>, Error>> {
        match self.source() {
            Ok(source) => source.poll_io(cx, interest, &mut |io| uninterrupted(|| op(io))).map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits until the descriptor may be ready; see [`Source::poll_ready`].
    ///
    /// # Errors
    /// The inner error is the reactor's; the outer one says that there is none.
    pub(in crate::process) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<Result<io::Result<()>, Error>> {
        match self.source() {
            Ok(source) => source.poll_ready(cx, interest).map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Registers with the background, whatever loop runs: for a loop whose reactor
    /// fails.
    pub(in crate::process) fn move_to_background(&mut self) -> Result<(), Error> {
        self.at = None;
        let source = background::register(self.fd.clone())?;
        self.at = Some(Box::new((Ground::Background, SharedSource::new(source))));
        Ok(())
    }

    pub(in crate::process) fn is_registered(&self) -> bool {
        self.at.is_some()
    }

    pub(in crate::process) fn is_in_background(&self) -> bool {
        self.ground() == Some(Ground::Background)
    }

    fn ground(&self) -> Option<Ground> {
        self.at.as_ref().map(|at| at.0)
    }

    fn source(&mut self) -> Result<&SharedSource, Error> {
        let running = ambient::driven().filter(|event_loop| event_loop.selector().is_ok());
        let ground =
            running.as_ref().map_or(Ground::Background, |found| Ground::Loop(found.state().id()));
        if self.ground().is_some_and(|at| at != ground) {
            // First out, then in: two loops may share one reactor.
            self.at = None;
        }
        if self.at.is_none() {
            self.at = Some(Box::new(register(running, ground, &self.fd)?));
        }
        match &self.at {
            Some(at) => Ok(&at.1),
            None => Err(policy_core::ErrorKind::NoRunningLoop.into()),
        }
    }
}

fn register(
    running: Option<Arc<dyn EventLoop>>,
    ground: Ground,
    fd: &Arc<OwnedFd>,
) -> Result<(Ground, SharedSource), Error> {
    if let Some(event_loop) = running {
        if let Ok(source) = event_loop.selector()?.register(fd.clone()) {
            return Ok((ground, SharedSource::new(source)));
        }
    }
    Ok((Ground::Background, SharedSource::new(background::register(fd.clone())?)))
}

impl fmt::Debug for Rover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rover").field("fd", &self.fd).field("at", &self.ground()).finish()
    }
}
