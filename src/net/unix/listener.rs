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
use crate::net::accept::{Acceptor, Pause, listener};
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
}

fn accept(io: &BorrowedIo<'_>) -> io::Result<(OwnedIo, SocketAddr)> {
    let (socket, address) = peer::accept(io)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), addr::to_std(&address)?))
}

listener!(UnixListener, std::os::unix::net::UnixListener, accept => (UnixStream, SocketAddr));
