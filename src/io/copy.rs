//! Copying from a reader to a writer, and both ways.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use policy_core::budget;

/// What is read at once. More is hardly faster, and a server has many of these.
const CHUNK: usize = 16 * 1024;

/// Copies everything from `reader` to `writer`, until the end, and flushes the writer. Returns the
/// number of bytes.
///
/// Either may be a `&mut` reference, and neither is closed. Not cancel safe: bytes that were read
/// and not written yet are lost with the future.
///
/// # Errors
/// Returns the first error of the reader or the writer, and [`io::ErrorKind::WriteZero`] if the
/// writer accepts no more bytes.
///
/// ```
/// policy::run(async {
///     let mut all = Vec::new();
///     assert_eq!(policy::io::copy(&b"hello"[..], &mut all).await?, 5);
///     assert_eq!(all, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy<R, W>(mut reader: R, mut writer: W) -> io::Result<u64>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut way = Way::new();
    poll_fn(|cx| way.poll(cx, &mut reader, &mut writer)).await
}

/// Copies both ways at once, until both have ended. Returns the number of bytes from `a` to `b`,
/// and from `b` to `a`.
///
/// When one side ends, the other's write half is closed: a proxy passes a half-close on. Not cancel
/// safe, like [`copy`].
///
/// # Errors
/// Returns the first error of either direction, which ends both.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// policy::run(async {
///     let (mut client, mut near) = policy::io::duplex(64);
///     let (mut far, mut server) = policy::io::duplex(64);
///     let proxy = policy::spawn(async move {
///         policy::io::copy_bidirectional(&mut near, &mut far).await
///     });
///     client.write_all(b"ping").await?;
///     client.close().await?;
///     let mut asked = String::new();
///     server.read_to_string(&mut asked).await?;
///     server.write_all(b"pong!").await?;
///     server.close().await?;
///     assert_eq!(proxy.await.expect("it does not panic")?, (4, 5));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy_bidirectional<A, B>(mut a: A, mut b: B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Closing::new(), Closing::new());
    poll_fn(|cx| {
        // Both each time: one that waits must not keep the other from being polled.
        let there = there.poll(cx, &mut a, &mut b)?;
        let back = back.poll(cx, &mut b, &mut a)?;
        match (there, back) {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One way, and the closing at its end.
struct Closing {
    way: Way,
    copied: Option<u64>,
    closed: bool,
}

impl Closing {
    fn new() -> Self {
        Self { way: Way::new(), copied: None, closed: false }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let copied = match self.copied {
            Some(copied) => copied,
            None => *self.copied.insert(ready!(self.way.poll(cx, reader, writer))?),
        };
        if !self.closed {
            ready!(Pin::new(writer).poll_close(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(copied))
    }
}

/// What is on its way from a reader to a writer.
struct Way {
    chunk: Box<[u8]>,
    /// Read, and not written yet.
    from: usize,
    to: usize,
    copied: u64,
    at_end: bool,
    /// Written, and not flushed yet.
    unflushed: bool,
}

impl Way {
    fn new() -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self { chunk, from: 0, to: 0, copied: 0, at_end: false, unflushed: false }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        // Either may be somebody else's, and never pause: each call spends for itself.
        loop {
            while let Some(left) =
                self.chunk.get(self.from..self.to).filter(|left| !left.is_empty())
            {
                let write = |cx: &mut Context<'_>| Pin::new(&mut *writer).poll_write(cx, left);
                let written = ready!(budget::poll(cx, write))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.from += written;
                self.copied += written as u64;
                self.unflushed = true;
            }
            if self.at_end {
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Ready(Ok(self.copied));
            }
            let read = |cx: &mut Context<'_>| Pin::new(&mut *reader).poll_read(cx, &mut self.chunk);
            match budget::poll(cx, read)? {
                Poll::Ready(0) => self.at_end = true,
                Poll::Ready(read) => (self.from, self.to) = (0, read),
                Poll::Pending => {
                    // Who waits for an answer should have the question.
                    if self.unflushed {
                        ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
