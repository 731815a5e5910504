//! Listeners at paths, and the connections that they accept.

use std::fmt;
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use policy_core::peer;

use super::{UnixStream, addr};
use crate::io::{BorrowedIo, OwnedIo};
use crate::net::accept::{Acceptor, Pause};
use crate::net::socket::Socket;

/// A Unix socket that listens for connections.
///
/// The path remains when the listener is dropped, as in std: remove it before you bind it again.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use policy::net::{UnixListener, UnixStream};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("socket");
/// policy::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let mut client = UnixStream::connect(&path).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     server.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixListener {
    acceptor: Acceptor,
}

impl UnixListener {
    /// Binds a socket to `path` and listens on it.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::AddrInUse`] if the path exists already, also as the socket of a
    /// listener that has gone, and [`io::ErrorKind::InvalidInput`] if it is too long for a socket
    /// (about 100 bytes).
    ///
    /// ```
    /// use policy::net::UnixListener;
    ///
    /// let long = "x".repeat(200);
    /// assert_eq!(UnixListener::bind(long).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (to_path, to_address) =
            (net::UnixListener::bind::<&Path>, net::UnixListener::bind_addr);
        Self::from_std(addr::bind(path.as_ref(), to_path, to_address)?)
    }

    /// Like [`bind`](Self::bind), with a std address, which may also have no path (Linux's abstract
    /// names).
    ///
    /// # Errors
    /// Returns the errors of [`bind`](Self::bind).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use policy::net::UnixListener;
    /// use policy::net::unix::SocketAddr;
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("listens-{}", std::process::id()))?;
    /// let listener = UnixListener::bind_addr(&name)?;
    /// assert_eq!(listener.local_addr()?.as_abstract_name(), name.as_abstract_name());
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_std(net::UnixListener::bind_addr(address)?)
    }

    /// Converts a std listener and makes it non-blocking.
    ///
    /// # Errors
    /// Returns an error if the system refuses.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket"))?;
    /// let listener = policy::net::UnixListener::from_std(listener)?;
    /// # let _listener = listener;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::new(Socket::new(listener)?) })
    }

    /// Converts into a std listener, which blocks and belongs to no loop.
    ///
    /// # Errors
    /// Returns an error if the system refuses to make it blocking.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let listener = policy::net::UnixListener::bind(folder.path().join("socket"))?;
    /// let listener: std::os::unix::net::UnixListener = listener.into_std()?;
    /// # let _listener = listener;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        self.acceptor.socket.into_std()
    }

    fn socket(&self) -> &Socket {
        &self.acceptor.socket
    }

    /// Waits for a connection, and returns it with the peer's address, which usually has no name.
    /// Otherwise like [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Errors
    /// Returns the errors of [`TcpListener::accept`](crate::net::TcpListener::accept): errors that
    /// concern a single connection are skipped; the listener keeps working.
    ///
    /// ```
    /// # async fn example(listener: &policy::net::UnixListener) -> std::io::Result<()> {
    /// let (stream, _) = listener.accept().await?;
    /// println!("user {} has come", stream.peer_cred()?.uid());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let mut pause = Pause::default();
        std::future::poll_fn(|cx| self.poll_with(cx, &mut pause)).await
    }

    /// Polls for a connection; see [`accept`](Self::accept). If several tasks poll, each is woken
    /// when a connection arrives; while the listener pauses because no descriptors are left, only
    /// the task that polled last.
    ///
    /// # Errors
    /// Returns the errors of [`accept`](Self::accept).
    ///
    /// ```
    /// # async fn example(listener: &policy::net::UnixListener) -> std::io::Result<()> {
    /// let (stream, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let mut pause = self.acceptor.take_pause();
        let polled = self.poll_with(cx, &mut pause);
        self.acceptor.keep_pause(pause);
        polled
    }

    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        pause: &mut Pause,
    ) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.acceptor
            .poll(cx, pause, accept)
            .map_ok(|(io, peer)| (UnixStream::of(Socket::nonblocking(io)), peer))
    }

    /// Returns the connections as a stream, which never ends. An error is an item, and the stream
    /// continues after it; see [`accept`](Self::accept).
    ///
    /// ```
    /// # async fn example(listener: &policy::net::UnixListener) -> std::io::Result<()> {
    /// use futures_lite::StreamExt;
    ///
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("{:?}", stream?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self, pause: Pause::default() }
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("socket");
    /// let listener = policy::net::UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket().as_ref().local_addr()?)
    }

    /// Takes the pending error of the socket.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses.
    ///
    /// ```
    /// # fn example(listener: &policy::net::UnixListener) -> std::io::Result<()> {
    /// assert!(listener.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket().as_ref().take_error()
    }
}

fn accept(io: &BorrowedIo<'_>) -> io::Result<(OwnedIo, SocketAddr)> {
    let (socket, address) = peer::accept(io)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), addr::to_std(&address)?))
}

impl TryFrom<net::UnixListener> for UnixListener {
    type Error = io::Error;

    fn try_from(listener: net::UnixListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener")
            .field("local", &self.local_addr().ok())
            .field("io", self.socket())
            .finish()
    }
}

has_descriptor!(UnixListener);

/// The connections of a listener; see [`UnixListener::incoming`].
///
/// ```
/// fn connections(listener: &policy::net::UnixListener) -> policy::net::unix::Incoming<'_> {
///     listener.incoming()
/// }
/// # let _connections = connections;
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
    pause: Pause,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.listener
            .poll_with(cx, &mut this.pause)
            .map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
