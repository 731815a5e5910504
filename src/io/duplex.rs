//! A stream within the process.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};
use policy_core::budget;
use policy_core::sync::{Mutex, wakers};

use super::bridge::{PollRead, initialised};

/// Makes two connected streams: bytes that are written to one are read from the other. Each
/// direction holds at most `size` bytes; then a writer waits for room.
///
/// They need no loop. For tests, and between tasks that speak a protocol.
///
/// # Panics
/// Panics if `size` is 0: no byte could ever be written.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// futures_lite::future::block_on(async {
///     let (mut a, mut b) = policy::io::duplex(64);
///     a.write_all(b"hello").await?;
///     drop(a);
///     let mut text = String::new();
///     b.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn duplex(size: usize) -> (DuplexStream, DuplexStream) {
    assert!(size > 0, "a duplex stream of 0 bytes; ask for at least 1");
    let (there, back) = (Arc::new(Pipe::new(size)), Arc::new(Pipe::new(size)));
    (
        DuplexStream { read: back.clone(), write: there.clone() },
        DuplexStream { read: there, write: back },
    )
}

/// One end of [`duplex`]. When it is dropped, the other end reads the end of the stream, and its
/// writes return [`io::ErrorKind::BrokenPipe`].
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use policy::io::DuplexStream;
///
/// futures_lite::future::block_on(async {
///     let (mut ours, theirs): (DuplexStream, _) = policy::io::duplex(1);
///     drop(theirs);
///     let refused = ours.write(b"x").await.unwrap_err();
///     assert_eq!(refused.kind(), std::io::ErrorKind::BrokenPipe);
/// });
/// ```
pub struct DuplexStream {
    read: Arc<Pipe>,
    write: Arc<Pipe>,
}

/// One way.
struct Pipe {
    state: Mutex<State>,
    size: usize,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// No more comes.
    ended: bool,
    /// Nobody reads.
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(size: usize) -> Self {
        Self { state: Mutex::default(), size }
    }

    fn end(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.ended = true;
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }
}

impl DuplexStream {
    fn write_with(
        &self,
        cx: &mut Context<'_>,
        is_empty: bool,
        append: impl FnOnce(&mut VecDeque<u8>, usize) -> usize,
    ) -> Poll<io::Result<usize>> {
        budget::poll(cx, |cx| self.write.poll_write(cx, is_empty, append))
    }
}

impl Pipe {
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut waker = None;
        let mut state = loop {
            let state = self.state.lock();
            if !state.bytes.is_empty() || state.ended {
                break state;
            }
            if wakers::leave(state, |state| &mut state.reader, &mut waker, cx.waker()) {
                return Poll::Pending;
            }
        };
        let read = state.bytes.read(buf)?;
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(read))
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        is_empty: bool,
        append: impl FnOnce(&mut VecDeque<u8>, usize) -> usize,
    ) -> Poll<io::Result<usize>> {
        let mut waker = None;
        let (mut state, room) = loop {
            let state = self.state.lock();
            if state.unread || state.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            // After the question whether anybody reads: a program may write nothing to ask.
            if is_empty {
                return Poll::Ready(Ok(0));
            }
            let room = self.size.saturating_sub(state.bytes.len());
            if room > 0 {
                break (state, room);
            }
            if wakers::leave(state, |state| &mut state.writer, &mut waker, cx.waker()) {
                return Poll::Pending;
            }
        };
        let written = append(&mut state.bytes, room);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        budget::poll(cx, |cx| self.read.poll_read(cx, buf))
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_with(cx, buf.is_empty(), |bytes, room| {
            bytes.write(buf.get(..room).unwrap_or(buf)).unwrap_or(0)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        self.write_with(cx, is_empty, |bytes, room| {
            let before = bytes.len();
            bytes.extend(bufs.iter().flat_map(|buf| buf.iter()).take(room));
            bytes.len() - before
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.end();
        Poll::Ready(Ok(()))
    }
}

impl PollRead for DuplexStream {
    fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        AsyncRead::poll_read(Pin::new(self), cx, initialised(buf))
    }
}

bridge_read!(DuplexStream);
bridge_write!(DuplexStream);

impl Drop for DuplexStream {
    fn drop(&mut self) {
        self.write.end();
        let writer = {
            let mut state = self.read.state.lock();
            state.unread = true;
            state.bytes = VecDeque::new();
            state.writer.take()
        };
        writer.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuplexStream").field("size", &self.write.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use futures_lite::future::block_on;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_write_of_nothing_says_whether_anybody_reads() {
        block_on(async {
            let (mut ours, mut theirs) = duplex(1);
            assert_eq!(ours.write(b"").await.unwrap(), 0);
            ours.write_all(b"x").await.unwrap();
            // Without room, too: it needs none.
            assert_eq!(ours.write(b"").await.unwrap(), 0);
            assert_eq!(ours.write_vectored(&[IoSlice::new(b""); 2]).await.unwrap(), 0);
            assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 1);
            drop(theirs);
            for refused in [ours.write(b"").await, ours.write_vectored(&[]).await] {
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            }
        });
    }

    #[test]
    fn a_side_that_was_closed_writes_nothing_more() {
        block_on(async {
            let (mut ours, _theirs) = duplex(8);
            ours.close().await.unwrap();
            let refused = ours.write(b"").await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
        });
    }
}
