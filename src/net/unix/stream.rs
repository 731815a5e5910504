//! Connections within the machine.

use std::fmt;
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use policy_core::Interest;
use socket2::{Domain, SockAddr};

use super::addr;
use super::cred::{self, UCred};
use super::error::ConnectError;
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::io::anchor::served_loop;
use crate::net::connect::{begin, is_connected};
use crate::net::socket::Socket;
use crate::time::sleep;

/// A connection of two processes on this machine, or of two parts of one.
///
/// As [`TcpStream`](crate::net::TcpStream) in everything but the addresses.
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
    /// Makes two streams that are connected with each other.
    ///
    /// # Errors
    /// At the limit of open files.
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

    /// Connects to who listens at `path`. Waits while the listener's queue is full. Cancel
    /// safe.
    ///
    /// # Errors
    /// A [`ConnectError`](super::ConnectError) inside, which names the path:
    /// [`io::ErrorKind::NotFound`], if there is no such path,
    /// [`io::ErrorKind::ConnectionRefused`], if nobody listens there any more,
    /// [`io::ErrorKind::InvalidInput`], if it is too long for a socket (about 100 bytes).
    /// A [`policy::Error`](crate::Error) inside, if no loop runs here.
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

    /// As [`connect`](Self::connect), to an address of std: also one without a path
    /// (Linux' abstract names).
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
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
                    let connected = socket.with(Interest::Writable, is_connected).await;
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

    /// Takes over a stream of std, and makes it non-blocking.
    ///
    /// # Errors
    /// If the system refuses that.
    ///
    /// ```
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let ours = policy::net::UnixStream::from_std(ours)?;
    /// # let _ours = ours;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(stream)? })
    }

    /// Turns it into a stream of std, which blocks and belongs to no loop: also the way to
    /// another loop.
    ///
    /// # Errors
    /// If the system refuses to make it blocking.
    ///
    /// ```
    /// let (ours, _theirs) = policy::net::UnixStream::pair()?;
    /// let ours: std::os::unix::net::UnixStream = ours.into_std()?;
    /// # let _ours = ours;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        self.socket.into_std()
    }

    pub(super) fn of(socket: Socket) -> Self {
        Self { socket }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Lends the two directions to two parts of one task, without a cost.
    ///
    /// ```
    /// # async fn example(stream: &mut policy::net::UnixStream) -> std::io::Result<u64> {
    /// let (reader, writer) = stream.split();
    /// policy::io::copy(reader, writer).await // an echo
    /// # }
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    /// Takes the two directions apart, for a task each.
    ///
    /// ```
    /// let (stream, _peer) = policy::net::UnixStream::pair()?;
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer).expect("they belong together");
    /// # let _stream = stream;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }

    /// Returns who is at the other end.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`], where the system can't say.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// println!("user {}", a.peer_cred()?.uid());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        cred::of_peer(self.socket.io())
    }

    /// Returns our address.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// assert!(a.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket.as_ref().local_addr()?)
    }

    /// Returns the peer's address: that of the listener, or none.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotConnected`], if the peer has gone.
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

stream_calls!(UnixStream, "UnixStream");

impl TryFrom<net::UnixStream> for UnixStream {
    type Error = io::Error;

    fn try_from(stream: net::UnixStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl TryFrom<UnixStream> for net::UnixStream {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Self> {
        stream.into_std()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .field("io", &self.socket)
            .finish()
    }
}

reads!(UnixStream, &UnixStream);
writes!(UnixStream, &UnixStream);
has_descriptor!(UnixStream);
