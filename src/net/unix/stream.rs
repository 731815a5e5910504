//! Connections between processes of one machine.

use std::fmt;
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use policy_core::{Interest, peer};
use socket2::{Domain, SockAddr};

use super::addr;
use super::cred::{self, UCred};
use super::error::ConnectError;
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::io::anchor::served_loop;
use crate::net::connect::begin;
use crate::net::socket::Socket;
use crate::time::sleep;

/// A connection between two processes on this machine, or within one.
///
/// Like [`TcpStream`](crate::net::TcpStream) in everything but the addresses.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use policy::net::UnixStream;
///
/// policy::run(async {
///     let (mut a, mut b) = UnixStream::pair()?;
///     a.write_all(b"hello").await?;
///     a.close().await?;
///     let mut text = String::new();
///     b.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixStream {
    socket: Socket,
}

/// How long a full listener is left alone before it is asked again. Doubles, up to the
/// second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

impl UnixStream {
    /// Makes two connected streams.
    ///
    /// # Errors
    /// Returns an error at the limit of open files.
    ///
    /// ```
    /// let (a, b) = policy::net::UnixStream::pair()?;
    /// assert!(a.local_addr()?.is_unnamed() && b.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Connects to the listener at `path`. Waits while the listener's queue is full. Cancel safe.
    ///
    /// # Errors
    /// Returns an error with a [`ConnectError`](super::ConnectError) inside, which names the path:
    /// [`io::ErrorKind::NotFound`] if there is no such path, [`io::ErrorKind::ConnectionRefused`]
    /// if its listener has gone, [`io::ErrorKind::InvalidInput`] if it is too long for a socket
    /// (about 100 bytes). Returns an error with a [`policy::Error`](crate::Error) inside if no loop
    /// runs here.
    ///
    /// ```
    /// use policy::net::{UnixListener, UnixStream};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// policy::run(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     assert_eq!(client.peer_addr()?.as_pathname(), server.local_addr()?.as_pathname());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let address = addr::of_path(path.as_ref())?;
        drop(path);
        Self::connect_to(&address).await
    }

    /// Like [`connect`](Self::connect), with a std address, which may also have no path (Linux's
    /// abstract names).
    ///
    /// # Errors
    /// Returns the errors of [`connect`](Self::connect).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # policy::run(async {
    /// use policy::net::unix::SocketAddr;
    /// use policy::net::{UnixListener, UnixStream};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("example-{}", std::process::id()))?;
    /// let _listener = UnixListener::bind_addr(&name)?;
    /// let client = UnixStream::connect_addr(&name).await?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), name.as_abstract_name());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::connect_to(&addr::of_std(address)?).await
    }

    async fn connect_to(address: &SockAddr) -> io::Result<Self> {
        drop(served_loop()?);
        let mut pause = FIRST_PAUSE;
        loop {
            match begin(Domain::UNIX, None, address) {
                Ok(socket) => {
                    // An error of ours (no loop) is not the address's fault.
                    let connected = socket.with(Interest::Writable, peer::is_connected).await;
                    return match connected {
                        Ok(()) => Ok(Self { socket }),
                        Err(error) if error.raw_os_error().is_some() => {
                            Err(ConnectError::wrap(address, error))
                        }
                        Err(error) => Err(error),
                    };
                }
                // The queue is full, and no system tells when it is not.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => return Err(ConnectError::wrap(address, error)),
            }
        }
    }

    /// Returns the credentials of the peer.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::Unsupported`] if the system can't report them.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// println!("user {}", a.peer_cred()?.uid());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        cred::of_peer(self.socket.io())
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// assert!(a.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket.as_ref().local_addr()?)
    }

    /// Returns the peer's address: the listener's, or none.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotConnected`] if the peer has gone.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// assert!(a.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket.as_ref().peer_addr()?)
    }
}

stream!(UnixStream, "UnixStream", std::os::unix::net::UnixStream);
