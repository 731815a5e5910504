//! A non-blocking socket of any kind, and the system calls on it.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use policy_core::{Error, EventLoop, Interest, os};
use socket2::{SockAddr, SockRef, TcpKeepalive};

use super::ready::{Interests, Ready};
use super::{buffer, sys};
use crate::io::anchor::Anchor;
use crate::io::{BorrowedIo, OwnedIo, uninterrupted};

pub(crate) struct Socket {
    anchor: Anchor,
}

impl Socket {
    /// Takes a socket over, and makes it non-blocking.
    pub(crate) fn new(io: impl Into<OwnedIo>) -> io::Result<Self> {
        let socket = Self::nonblocking(io);
        socket.as_ref().set_nonblocking(true)?;
        Ok(socket)
    }

    /// Takes a socket over that is non-blocking already.
    pub(crate) fn nonblocking(io: impl Into<OwnedIo>) -> Self {
        Self { anchor: Anchor::new(io.into()) }
    }

    /// Gives the socket back as std has it: blocking, and of no loop.
    pub(crate) fn into_std<T: From<OwnedIo>>(self) -> io::Result<T> {
        let io = self.anchor.into_io()?;
        SockRef::from(&io).set_nonblocking(false)?;
        Ok(T::from(io))
    }

    /// Gives the descriptor back as it is, and of no loop.
    #[cfg(unix)]
    pub(crate) fn into_io(self) -> io::Result<OwnedIo> {
        self.anchor.into_io()
    }

    /// Has it belong to this loop, wherever it is waited for.
    pub(crate) fn settle_on(&self, event_loop: &Arc<dyn EventLoop>) -> Result<(), Error> {
        self.anchor.settle_on(event_loop)
    }

    /// Returns the socket with all its options.
    pub(crate) fn as_ref(&self) -> SockRef<'_> {
        SockRef::from(self.anchor.io())
    }

    pub(crate) fn io(&self) -> &OwnedIo {
        self.anchor.io()
    }

    #[inline]
    pub(crate) fn poll_io(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        op: impl FnMut(BorrowedIo<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.anchor.poll_io(cx, interest, op)
    }

    /// Tries once, without waiting.
    pub(crate) fn try_with<T>(
        &self,
        mut op: impl FnMut(&BorrowedIo<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        uninterrupted(|| op(&os::borrow(self.io())))
    }

    /// Waits as [`poll_io`](Self::poll_io) does, for an operation with a result of its own.
    pub(crate) fn poll_with<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut op: impl FnMut(&BorrowedIo<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let mut done = None;
        let polled = self.poll_io(cx, interest, |io| {
            done = Some(op(&io)?);
            Ok(0)
        });
        match (done, polled) {
            // Whatever else is said of it: what was done is not done again.
            (Some(done), _) => Poll::Ready(Ok(done)),
            (None, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (None, Poll::Pending | Poll::Ready(Ok(_))) => Poll::Pending,
        }
    }

    /// As [`poll_with`](Self::poll_with), to be awaited. Cancel safe: nothing is done
    /// unless it is ready.
    pub(crate) async fn with<T>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&BorrowedIo<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        std::future::poll_fn(|cx| self.poll_with(cx, interest, &mut op)).await
    }

    /// Waits until the socket is ready for one of these, and does nothing with it.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interests: Interests,
    ) -> Poll<io::Result<Ready>> {
        self.poll_either(cx, interests, |io| match sys::readiness(io, interests)? {
            ready if ready.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            ready => Ok(ready),
        })
    }

    pub(crate) async fn ready(&self, interests: Interests) -> io::Result<Ready> {
        std::future::poll_fn(|cx| self.poll_ready(cx, interests)).await
    }

    /// As [`poll_with`](Self::poll_with), for an operation that either direction may make
    /// possible.
    pub(crate) fn poll_either<T>(
        &self,
        cx: &mut Context<'_>,
        interests: Interests,
        mut op: impl FnMut(&BorrowedIo<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        for interest in interests.each() {
            let polled = self.poll_with(cx, interest, &mut op);
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::Readable, |io| recv(&io, buf))
    }

    /// Reads into memory that need not be initialised; see `PollRead`.
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::Readable, |io| SockRef::from(&io).recv(buf))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::Readable, |io| recv_vectored(&io, bufs))
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::Writable, |io| send(&io, buf))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::Writable, |io| send_vectored(&io, bufs))
    }

    /// Ends the writing side: the peer reads what is on its way, and then the end.
    pub(crate) fn poll_close(&self) -> Poll<io::Result<()>> {
        Poll::Ready(match self.as_ref().shutdown(Shutdown::Write) {
            // The peer has gone: it will hear of no end.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }

    pub(crate) fn ttl(&self) -> io::Result<u32> {
        if self.local_addr()?.is_ipv6() {
            self.as_ref().unicast_hops_v6()
        } else {
            self.as_ref().ttl_v4()
        }
    }

    pub(crate) fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            self.as_ref().set_unicast_hops_v6(ttl)
        } else {
            self.as_ref().set_ttl_v4(ttl)
        }
    }

    pub(crate) fn keepalive(&self) -> io::Result<Option<Duration>> {
        let socket = self.as_ref();
        if socket.keepalive()? { sys::keepalive_time(&socket).map(Some) } else { Ok(None) }
    }

    pub(crate) fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        match idle {
            Some(idle) => self.as_ref().set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => self.as_ref().set_keepalive(false),
        }
    }

    pub(crate) fn set_linger(&self, limit: Option<Duration>) -> io::Result<()> {
        // The numbers of the systems are smaller than `Duration`'s, and are cut off without
        // a word: 2^32 seconds would be 0, which is a reset.
        const MOST: Duration = Duration::from_secs(u16::MAX as u64);
        if limit.is_some_and(|limit| limit > MOST) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a socket can't linger for more than {MOST:?}; ask for less"),
            ));
        }
        self.as_ref().set_linger(limit)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_ref().local_addr().and_then(internet)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_ref().peer_addr().and_then(internet)
    }
}

pub(crate) fn recv(io: &BorrowedIo<'_>, buf: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(io)).read(buf)
}

pub(crate) fn recv_vectored(io: &BorrowedIo<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let most = bufs.len().min(sys::MAX_SLICES);
    (&*SockRef::from(io)).read_vectored(bufs.get_mut(..most).unwrap_or_default())
}

pub(crate) fn send(io: &BorrowedIo<'_>, buf: &[u8]) -> io::Result<usize> {
    SockRef::from(io).send_with_flags(buf, sys::NO_SIGNAL).map_err(sys::send_error)
}

pub(crate) fn send_vectored(io: &BorrowedIo<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = bufs.get(..sys::MAX_SLICES).unwrap_or(bufs);
    SockRef::from(io).send_vectored_with_flags(bufs, sys::NO_SIGNAL).map_err(sys::send_error)
}

pub(crate) fn peek(io: &BorrowedIo<'_>, buf: &mut [u8]) -> io::Result<usize> {
    SockRef::from(io).peek(buffer::uninit(buf))
}

/// Returns the address of a socket of the internet families.
pub(crate) fn internet(address: SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "this is no internet socket; check its family")
    })
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.anchor.fmt(f)
    }
}
