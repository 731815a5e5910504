//! Sockets of a given loop.

use std::io;
#[cfg(unix)]
use std::path::Path;

use super::On;
#[cfg(unix)]
use crate::net::unix::{UnixDatagram, UnixListener, UnixStream};
use crate::net::{Settle, TcpListener, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};

/// Sockets.
impl On {
    /// Like [`net::lookup_host`](crate::net::lookup_host()), on a thread of the loop.
    ///
    /// # Errors
    /// Returns the errors of [`net::lookup_host`](crate::net::lookup_host()).
    pub async fn lookup_host(
        &self,
        host: impl ToSocketAddrs,
    ) -> io::Result<impl Iterator<Item = std::net::SocketAddr>> {
        let found: Vec<_> = self.within(lookup_host(host)).await?.collect();
        Ok(found.into_iter())
    }

    /// Like [`TcpStream::connect`]; the stream belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`TcpStream::connect`] and of [`register`](Self::register).
    pub async fn connect_tcp(&self, address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        self.register(self.within(TcpStream::connect(address)).await?)
    }

    /// Like [`TcpListener::bind`]; the listener belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`TcpListener::bind`] and of [`register`](Self::register).
    pub async fn bind_tcp(&self, address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        self.register(self.within(TcpListener::bind(address)).await?)
    }

    /// Like [`UdpSocket::bind`]; the socket belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`UdpSocket::bind`] and of [`register`](Self::register).
    pub async fn bind_udp(&self, address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        self.register(self.within(UdpSocket::bind(address)).await?)
    }

    /// Like [`UnixStream::connect`]; the stream belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`UnixStream::connect`] and of [`register`](Self::register).
    #[cfg(unix)]
    pub async fn connect_unix(&self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.register(self.within(UnixStream::connect(path)).await?)
    }

    /// Like [`UnixListener::bind`]; the listener belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`UnixListener::bind`] and of [`register`](Self::register).
    #[cfg(unix)]
    pub fn bind_unix(&self, path: impl AsRef<Path>) -> io::Result<UnixListener> {
        self.register(UnixListener::bind(path)?)
    }

    /// Like [`UnixDatagram::bind`]; the socket belongs to the loop.
    ///
    /// # Errors
    /// Returns the errors of [`UnixDatagram::bind`] and of [`register`](Self::register).
    #[cfg(unix)]
    pub fn bind_unix_datagram(&self, path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        self.register(UnixDatagram::bind(path)?)
    }

    /// Gives a socket to this loop that would otherwise belong to the loop that waits for it
    /// first: one that was accepted, is from a pair, or came from `from_std`.
    ///
    /// # Errors
    /// Returns an error with a [`policy::Error`](crate::Error) inside:
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the socket belongs to another loop,
    /// [`LoopClosed`](crate::ErrorKind::LoopClosed) if the loop was closed,
    /// [`WrongThread`](crate::ErrorKind::WrongThread) if the loop is bound to another thread
    /// (compio). The socket is dropped then; pass a reference to keep it.
    ///
    /// ```
    /// # use policy::prelude::*;
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy::EventLoop>, listener: policy::net::TcpListener) -> std::io::Result<()> {
    /// let (stream, _peer) = listener.accept().await?;
    /// let stream = event_loop.on().register(stream)?;
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn register<S: Settle>(&self, socket: S) -> io::Result<S> {
        socket.settle_on(&self.event_loop)?;
        Ok(socket)
    }
}
