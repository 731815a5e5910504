//! The pipes to a child, awaited by whichever loop polls them.
//!
//! std's pipes block: a thread for each that is used carries what goes through it, one
//! piece at a time, and needs no loop.

use std::fmt;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_io::{AsyncRead, AsyncWrite};
use policy_core::budget;
use policy_core::sync::{Condvar, Mutex, wake};

use crate::io::bridge::{PollRead, initialised};

/// How much a thread carries at once.
const PIECE: usize = 64 * 1024;

/// What the thread and the task hand to each other.
#[derive(Default)]
struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// On its way; what is before `at` has arrived.
    piece: Vec<u8>,
    at: usize,
    /// The thread has come to the end: of the input, or with an error.
    ended: bool,
    error: Option<io::Error>,
    /// The task has gone.
    closed: bool,
    waker: Option<Waker>,
}

impl Lane {
    /// Changes the state, and wakes the task.
    fn tell(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.state.lock();
            change(&mut state);
            state.waker.take()
        };
        // Outside the lock: a waker is user code.
        wake(waker);
    }

    fn close(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.closed = true;
            state.waker.take()
        };
        self.changed.notify_all();
        wake(waker);
    }

    /// Waits until the task has taken the piece; false if it has gone.
    fn wait_taken(&self) -> bool {
        let waits = |state: &mut State| state.at < state.piece.len() && !state.closed;
        !self.changed.wait(self.state.lock(), waits).closed
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("policy-pipe".into()).spawn(work).map(drop)
}

/// A pipe that is read.
struct Reading<P> {
    /// Until it is first used.
    pipe: Option<P>,
    lane: Arc<Lane>,
}

impl<P: Read + Send + 'static> Reading<P> {
    fn new(pipe: P) -> Self {
        Self { pipe: Some(pipe), lane: Arc::default() }
    }

    /// Gives the next bytes to `take`, which says how many it took.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| self.poll_piece(cx, take))
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        if let Some(mut pipe) = self.pipe.take() {
            let lane = self.lane.clone();
            start(move || carry_in(&mut pipe, &lane))?;
        }
        // Before the lock: to clone a waker may run any code.
        let waker = cx.waker().clone();
        let mut state = self.lane.state.lock();
        let ready = state.piece.get(state.at..).unwrap_or_default();
        if !ready.is_empty() {
            let taken = take(ready);
            state.at += taken;
            let is_empty = state.at >= state.piece.len();
            drop(state);
            if is_empty {
                self.lane.changed.notify_all();
            }
            return Poll::Ready(Ok(taken));
        }
        if state.ended {
            return Poll::Ready(state.error.take().map_or(Ok(0), Err));
        }
        let former = state.waker.replace(waker);
        drop(state);
        drop(former);
        Poll::Pending
    }
}

fn carry_in(pipe: &mut impl Read, lane: &Lane) {
    loop {
        // Kept while the task reads: a new one for each piece would be filled twice.
        let mut piece = std::mem::take(&mut lane.state.lock().piece);
        piece.resize(PIECE, 0);
        match pipe.read(&mut piece) {
            Ok(0) => return lane.tell(|state| (state.ended, state.at) = (true, 0)),
            Ok(read) => {
                piece.truncate(read);
                lane.tell(|state| (state.piece, state.at) = (piece, 0));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                lane.tell(|state| state.at = 0);
                continue;
            }
            Err(error) => {
                return lane.tell(|state| {
                    (state.ended, state.error, state.at) = (true, Some(error), 0);
                });
            }
        }
        if !lane.wait_taken() {
            return;
        }
    }
}

impl<P> Drop for Reading<P> {
    fn drop(&mut self) {
        self.lane.close();
    }
}

pub(in crate::process) trait PollAppend {
    fn poll_append(&mut self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>>;
}

macro_rules! reading_end {
    ($(#[$docs:meta])* $name:ident, $std:ty) => {
        $(#[$docs])*
        pub struct $name {
            reading: Reading<$std>,
        }

        impl $name {
            pub(in crate::process) fn new(pipe: $std) -> Self {
                Self { reading: Reading::new(pipe) }
            }

            /// Converts the pipe into a [`Stdio`] that another command can read from.
            ///
            /// # Errors
            /// Returns an error if it was read from already: then a thread owns it.
            pub fn into_stdio(mut self) -> io::Result<Stdio> {
                self.reading.pipe.take().map(Stdio::from).ok_or_else(in_use)
            }
        }

        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                if buf.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                self.reading.poll(cx, |mut ready| {
                    // Slices read without errors.
                    ready.read(buf).unwrap_or_default()
                })
            }
        }

        impl PollRead for $name {
            fn poll_read_uninit(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut [MaybeUninit<u8>],
            ) -> Poll<io::Result<usize>> {
                AsyncRead::poll_read(Pin::new(self), cx, initialised(buf))
            }
        }

        bridge_read!($name);

        impl PollAppend for $name {
            fn poll_append(
                &mut self,
                cx: &mut Context<'_>,
                into: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                self.reading.poll(cx, |ready| {
                    into.extend_from_slice(ready);
                    ready.len()
                })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

fn in_use() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a thread carries what goes through this pipe; turn it into a `Stdio` before it is used",
    )
}

reading_end! {
    /// The reading end of a child's standard output.
    ///
    /// The child's output stays readable after the child has exited.
    ChildStdout, std::process::ChildStdout
}

reading_end! {
    /// The reading end of a child's standard error.
    ///
    /// The child's output stays readable after the child has exited.
    ChildStderr, std::process::ChildStderr
}

/// The writing end of a child's standard input.
///
/// A write returns when the bytes are on their way; `flush` returns when they have arrived. After
/// you drop or close it, the child reads the end of its input, behind these bytes. If the child
/// reads no more, a write returns [`io::ErrorKind::BrokenPipe`].
/// [`Child::wait`](crate::process::Child::wait) closes it.
pub struct ChildStdin {
    /// Until it is first used. A lock, so that `Child::wait`, which many may call at once,
    /// can close it.
    pipe: Mutex<Option<std::process::ChildStdin>>,
    lane: Arc<Lane>,
}

impl ChildStdin {
    pub(in crate::process) fn new(pipe: std::process::ChildStdin) -> Self {
        Self { pipe: Mutex::new(Some(pipe)), lane: Arc::default() }
    }

    /// Ends the child's input.
    pub(in crate::process) fn shut(&self) {
        drop(self.take());
        self.lane.close();
    }

    /// Converts the pipe into a [`Stdio`] that another command can write to.
    ///
    /// # Errors
    /// Returns an error if it was written to already: then a thread owns it.
    pub fn into_stdio(self) -> io::Result<Stdio> {
        self.take().map(Stdio::from).ok_or_else(in_use)
    }

    fn take(&self) -> Option<std::process::ChildStdin> {
        self.pipe.lock().take()
    }

    /// Is ready when all that was written has arrived.
    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Before the lock: to clone a waker may run any code.
        let waker = cx.waker().clone();
        let mut state = self.lane.state.lock();
        if let Some(error) = state.error.take() {
            return Poll::Ready(Err(error));
        }
        if state.ended && state.at < state.piece.len() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.at >= state.piece.len() {
            return Poll::Ready(Ok(()));
        }
        let former = state.waker.replace(waker);
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(mut pipe) = self.take() {
            let lane = self.lane.clone();
            start(move || carry_out(&mut pipe, &lane))?;
        }
        if self.lane.state.lock().closed {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the child's stdin was closed; take it out of `Child` before `wait`",
            )));
        }
        std::task::ready!(budget::poll(cx, |cx| self.poll_empty(cx)))?;
        let mut state = self.lane.state.lock();
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let piece = buf.get(..PIECE).unwrap_or(buf);
        state.piece.clear();
        state.piece.extend_from_slice(piece);
        state.at = 0;
        drop(state);
        self.lane.changed.notify_all();
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_empty(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_empty(cx))?;
        self.shut();
        Poll::Ready(Ok(()))
    }
}

bridge_write!(ChildStdin);

fn carry_out(pipe: &mut impl Write, lane: &Lane) {
    loop {
        let piece = {
            let waits = |state: &mut State| state.at >= state.piece.len() && !state.closed;
            let state = lane.changed.wait(lane.state.lock(), waits);
            if state.at >= state.piece.len() {
                return;
            }
            state.piece.clone()
        };
        match pipe.write_all(&piece) {
            Ok(()) => lane.tell(|state| state.at = state.piece.len()),
            Err(error) => {
                return lane.tell(|state| (state.ended, state.error) = (true, Some(error)));
            }
        }
    }
}

impl Drop for ChildStdin {
    fn drop(&mut self) {
        self.shut();
    }
}

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildStdin").finish_non_exhaustive()
    }
}
