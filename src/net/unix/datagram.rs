//! Datagrams between processes of one machine.

use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use policy_core::Interest;
use socket2::{SockAddr, SockRef};

use super::addr;
use super::error::ConnectError;
use crate::io::BorrowedIo;
use crate::io::anchor::served_loop;
use crate::net::socket::{self, Socket};
use crate::net::{buffer, sys};
use crate::time::sleep;

/// A socket for datagrams between processes on this machine. No datagram is lost, and they arrive
/// in order: a sender waits while the receiver's queue is full.
///
/// All methods take `&self`, and everything is cancel safe.
///
/// ```
/// use policy::net::UnixDatagram;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("socket");
/// policy::run(async {
///     let server = UnixDatagram::bind(&path)?;
///     let client = UnixDatagram::unbound()?;
///     client.send_to(b"ping", &path).await?;
///     let mut buf = [0; 64];
///     let (len, peer) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"ping");
///     assert!(peer.is_unnamed()); // nobody can answer it
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixDatagram {
    socket: Socket,
}

/// How long a receiver whose queue is full is left alone. Doubles, up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(20);

impl UnixDatagram {
    /// Makes a socket without a name, which can send, and to which no other socket can send.
    ///
    /// # Errors
    /// Returns an error at the limit of open files.
    ///
    /// ```
    /// assert!(policy::net::UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(net::UnixDatagram::unbound()?)
    }

    /// Makes two connected sockets.
    ///
    /// # Errors
    /// Returns an error at the limit of open files.
    ///
    /// ```
    /// policy::run(async {
    ///     let (a, b) = policy::net::UnixDatagram::pair()?;
    ///     a.send(b"hello").await?;
    ///     assert_eq!(b.recv(&mut [0; 64]).await?, 5);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = net::UnixDatagram::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Binds a socket to `path`. The path remains when the socket is dropped.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::AddrInUse`] if the path exists already, and
    /// [`io::ErrorKind::InvalidInput`] if it is too long for a socket.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("socket");
    /// let socket = policy::net::UnixDatagram::bind(&path)?;
    /// assert_eq!(socket.local_addr()?.as_pathname(), Some(&*path));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let (to_path, to_address) =
            (net::UnixDatagram::bind::<&Path>, net::UnixDatagram::bind_addr);
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
    /// use policy::net::UnixDatagram;
    /// use policy::net::unix::SocketAddr;
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("datagrams-{}", std::process::id()))?;
    /// let server = UnixDatagram::bind_addr(&name)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect_addr(&name)?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), name.as_abstract_name());
    /// # drop(server);
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::from_std(net::UnixDatagram::bind_addr(address)?)
    }

    /// Sets the peer for [`send`](Self::send) and [`recv`](Self::recv).
    ///
    /// # Errors
    /// Returns an error with a [`ConnectError`](super::ConnectError) inside, which names the path:
    /// [`io::ErrorKind::NotFound`] if there is no such path, [`io::ErrorKind::ConnectionRefused`]
    /// if no socket is bound to it.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// let nobody = policy::net::UnixDatagram::unbound()?.connect(&path).unwrap_err();
    /// assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_to(&addr::of_path(path.as_ref())?)
    }

    /// Like [`connect`](Self::connect), with a std address, which may also have no path.
    ///
    /// # Errors
    /// Returns the errors of [`connect`](Self::connect), and [`io::ErrorKind::InvalidInput`] if the
    /// address has no name.
    ///
    /// ```
    /// # fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// let (_, peer) = socket.try_recv_from(&mut [0; 64])?;
    /// socket.connect_addr(&peer)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_addr(&self, peer: &SocketAddr) -> io::Result<()> {
        self.connect_to(&addr::of_std(peer)?)
    }

    fn connect_to(&self, address: &SockAddr) -> io::Result<()> {
        self.socket.as_ref().connect(address).map_err(|error| ConnectError::wrap(address, error))
    }

    /// Sends a datagram to the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::ConnectionRefused`] if the peer has gone, and
    /// [`io::ErrorKind::NotConnected`] if there is none.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// socket.connect("/run/example/socket")?;
    /// socket.send(b"hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.socket.with(Interest::Writable, |io| socket::send(io, buf)).await
    }

    /// Receives a datagram. A datagram that does not fit into `buf` is truncated.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// let mut buf = [0; 1024];
    /// let len = socket.recv(&mut buf).await?;
    /// println!("{:?}", &buf[..len]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.with(Interest::Readable, |io| socket::recv(io, buf)).await
    }

    /// Sends a datagram to the socket at `path`.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotFound`] if there is no such path,
    /// [`io::ErrorKind::ConnectionRefused`] if no socket is bound to it, and
    /// [`io::ErrorKind::InvalidInput`] if it is too long.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// socket.send_to(b"hello", "/run/example/socket").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let to = addr::of_path(path.as_ref())?;
        drop(path);
        self.send_to_address(buf, &to).await
    }

    /// Like [`send_to`](Self::send_to), to an address from which a datagram came.
    ///
    /// # Errors
    /// Returns the errors of [`send_to`](Self::send_to), and [`io::ErrorKind::InvalidInput`] if the
    /// address has no name.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// let mut buf = [0; 1024];
    /// let (len, peer) = socket.recv_from(&mut buf).await?;
    /// socket.send_to_addr(&buf[..len], &peer).await?; // an echo
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_to_addr(&self, buf: &[u8], peer: &SocketAddr) -> io::Result<usize> {
        self.send_to_address(buf, &addr::of_std(peer)?).await
    }

    async fn send_to_address(&self, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_send_to_address(buf, to) {
                // Readiness is that of our own socket, and it is the receiver's queue that
                // is full: of that the system tells only who is connected.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(served_loop()?);
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                sent => return sent,
            }
        }
    }

    /// Receives a datagram, and returns its sender.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// let (len, peer) = socket.recv_from(&mut [0; 1024]).await?;
    /// println!("{len} bytes of {peer:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = |io: &BorrowedIo<'_>| from_peer(io, buf, |io, room| io.recv_from(room));
        self.socket.with(Interest::Readable, receive).await
    }

    /// Receives a datagram that has arrived, without waiting.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::WouldBlock`] if none has arrived.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixDatagram::pair()?;
    /// let nothing = a.try_recv_from(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_with(|io| from_peer(io, buf, |io, room| io.recv_from(room)))
    }

    /// Sends a datagram to the socket at `path`, without waiting.
    ///
    /// # Errors
    /// Returns the errors of [`send_to`](Self::send_to), and [`io::ErrorKind::WouldBlock`] if there
    /// is no room.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("socket");
    /// let socket = policy::net::UnixDatagram::bind(&path)?;
    /// assert_eq!(socket.try_send_to(b"me", &path)?, 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.try_send_to_address(buf, &addr::of_path(path.as_ref())?)
    }

    /// Like [`try_send_to`](Self::try_send_to), to an address from which a datagram came.
    ///
    /// # Errors
    /// Returns the errors of [`send_to_addr`](Self::send_to_addr), and
    /// [`io::ErrorKind::WouldBlock`] if there is no room.
    ///
    /// ```
    /// # fn example(socket: &policy::net::UnixDatagram) -> std::io::Result<()> {
    /// let (_, peer) = socket.try_recv_from(&mut [0; 64])?;
    /// socket.try_send_to_addr(b"seen", &peer)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_send_to_addr(&self, buf: &[u8], peer: &SocketAddr) -> io::Result<usize> {
        self.try_send_to_address(buf, &addr::of_std(peer)?)
    }

    fn try_send_to_address(&self, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
        self.socket.try_with(|io| SockRef::from(io).send_to_with_flags(buf, to, sys::NO_SIGNAL))
    }

    /// Shuts down one direction or both.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotConnected`] if there is no peer.
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixDatagram::pair()?;
    /// a.shutdown(std::net::Shutdown::Both)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.as_ref().shutdown(how)
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// assert!(policy::net::UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket.as_ref().local_addr()?)
    }

    /// Returns the address of the peer that `connect` has set.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotConnected`] if there is none.
    ///
    /// ```
    /// assert!(policy::net::UnixDatagram::unbound()?.peer_addr().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addr::to_std(&self.socket.as_ref().peer_addr()?)
    }
}

datagram_calls!(
    UnixDatagram,
    "UnixDatagram",
    std::os::unix::net::UnixDatagram,
    SocketAddr,
    from_peer
);

fn from_peer(
    io: &BorrowedIo<'_>,
    buf: &mut [u8],
    receive: impl Fn(&SockRef<'_>, &mut [MaybeUninit<u8>]) -> io::Result<(usize, SockAddr)>,
) -> io::Result<(usize, SocketAddr)> {
    let (len, peer) = receive(&SockRef::from(io), buffer::uninit(buf))?;
    Ok((len, addr::to_std(&peer)?))
}
