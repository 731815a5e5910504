//! Datagrams.

use std::io;
use std::mem::MaybeUninit;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use policy_core::{Interest, peer};
use socket2::{SockAddr, SockRef};

use super::addr::ToSocketAddrs;
use super::socket::{self, Socket};
use super::{buffer, sys};
use crate::io::BorrowedIo;

/// A UDP socket.
///
/// All methods take `&self`, and any number of tasks may send and receive at once. Everything is
/// cancel safe: a dropped receive has taken no datagram, and a dropped send has sent none.
///
/// ```
/// use policy::net::UdpSocket;
///
/// policy::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"ping", server.local_addr()?).await?;
///     let mut buf = [0; 1500];
///     let (len, peer) = server.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"ping");
///     assert_eq!(peer, client.local_addr()?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    socket: Socket,
}

impl UdpSocket {
    /// Binds the first available address.
    ///
    /// # Errors
    /// Returns the error of the last address, such as [`io::ErrorKind::AddrInUse`]. Returns the
    /// errors of [`lookup_host`](super::lookup_host).
    ///
    /// ```
    /// use policy::net::UdpSocket;
    ///
    /// policy::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let taken = UdpSocket::bind(socket.local_addr()?).await;
    ///     assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let target = address.target()?;
        drop(address);
        Self::from_std(net::UdpSocket::bind(&*target.resolve().await?)?)
    }

    /// Sets the peer for [`send`](Self::send) and [`recv`](Self::recv): the first address that the
    /// system accepts. Sends nothing.
    ///
    /// # Errors
    /// Returns the error of the last address, and the errors of
    /// [`lookup_host`](super::lookup_host).
    ///
    /// ```
    /// use policy::net::UdpSocket;
    ///
    /// policy::run(async {
    ///     let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     a.connect(b.local_addr()?).await?;
    ///     assert_eq!(a.peer_addr()?, b.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let target = address.target()?;
        drop(address);
        let mut last = Ok(());
        for address in target.resolve().await? {
            last = self.socket.as_ref().connect(&SockAddr::from(address));
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Sends a datagram to the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::ConnectionRefused`] if the peer refused an earlier datagram, and
    /// the system's error if the datagram is too long.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// socket.connect("example.org:7").await?;
    /// assert_eq!(socket.send(b"hello").await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.socket.with(Interest::Writable, |io| socket::send(io, buf)).await
    }

    /// Receives a datagram from the peer. A datagram that does not fit into `buf` is truncated (on
    /// Windows it is an error).
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::ConnectionRefused`] if the peer refused a datagram.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// let mut buf = [0; 1500];
    /// let len = socket.recv(&mut buf).await?;
    /// println!("{:?}", &buf[..len]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.with(Interest::Readable, |io| socket::recv(io, buf)).await
    }

    /// Sends a datagram to `address`, or to the first of its addresses.
    ///
    /// Each call looks up a host name again: pass a [`SocketAddr`] to send many datagrams.
    ///
    /// # Errors
    /// Returns the error of the system, and the errors of [`lookup_host`](super::lookup_host).
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// socket.send_to(b"hello", "127.0.0.1:7").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_to(&self, buf: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        let target = address.target()?;
        drop(address);
        let address = SockAddr::from(target.first().await?);
        self.socket
            .with(Interest::Writable, |io| {
                SockRef::from(io).send_to_with_flags(buf, &address, sys::NO_SIGNAL)
            })
            .await
    }

    /// Receives a datagram, and returns its sender. A datagram that does not fit into `buf` is
    /// truncated (on Windows it is an error).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// let mut buf = [0; 1500];
    /// let (len, peer) = socket.recv_from(&mut buf).await?;
    /// socket.send_to(&buf[..len], peer).await?; // an echo
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.with(Interest::Readable, |io| recv_from(io, buf)).await
    }

    /// Receives a datagram that has arrived, without waiting.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::WouldBlock`] if none has arrived.
    ///
    /// ```
    /// # policy::run(async {
    /// let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// let nothing = socket.try_recv_from(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_with(|io| recv_from(io, buf))
    }

    /// Sends a datagram, without waiting.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::WouldBlock`] if there is no room.
    ///
    /// ```
    /// # policy::run(async {
    /// let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(socket.try_send_to(b"me", socket.local_addr()?)?, 2);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_send_to(&self, buf: &[u8], address: SocketAddr) -> io::Result<usize> {
        let address = SockAddr::from(address);
        self.socket
            .try_with(|io| SockRef::from(io).send_to_with_flags(buf, &address, sys::NO_SIGNAL))
    }

    /// Polls for room to send, and sends to `address`; see [`send_to`](Self::send_to).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// let to = "127.0.0.1:7".parse().expect("an address");
    /// std::future::poll_fn(|cx| socket.poll_send_to(cx, b"hello", to)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        address: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let address = SockAddr::from(address);
        self.socket.poll_with(cx, Interest::Writable, |io| {
            SockRef::from(io).send_to_with_flags(buf, &address, sys::NO_SIGNAL)
        })
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # policy::run(async {
    /// let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the address of the peer that [`connect`](Self::connect) has set.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotConnected`] if there is none.
    ///
    /// ```
    /// # policy::run(async {
    /// let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Joins an IPv4 multicast group, on the interface with this address (0.0.0.0: the system
    /// chooses).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// use policy::net::Ipv4Addr;
    ///
    /// let mdns = Ipv4Addr::new(224, 0, 0, 251);
    /// socket.join_multicast_v4(mdns, Ipv4Addr::UNSPECIFIED)?;
    /// socket.leave_multicast_v4(mdns, Ipv4Addr::UNSPECIFIED)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket.as_ref().join_multicast_v4(&group, &interface)
    }

    /// Leaves a multicast group; see [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// use policy::net::Ipv4Addr;
    ///
    /// socket.leave_multicast_v4(Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::UNSPECIFIED)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket.as_ref().leave_multicast_v4(&group, &interface)
    }

    /// Joins an IPv6 multicast group, on the interface with this index (0: the system chooses).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// let mdns = "ff02::fb".parse().expect("an address");
    /// socket.join_multicast_v6(&mdns, 0)?;
    /// socket.leave_multicast_v6(&mdns, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.as_ref().join_multicast_v6(group, interface)
    }

    /// Leaves a multicast group; see [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(socket: &policy::net::UdpSocket) -> std::io::Result<()> {
    /// socket.leave_multicast_v6(&"ff02::fb".parse().expect("an address"), 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.as_ref().leave_multicast_v6(group, interface)
    }
}

datagram_calls!(UdpSocket, "UdpSocket", std::net::UdpSocket, SocketAddr, from_peer);

options! {
    UdpSocket {
        "true if datagrams may go to broadcast addresses":
            broadcast = |socket| socket.as_ref().broadcast(),
            set_broadcast = |socket, may| socket.as_ref().set_broadcast(may),
            bool;
        "the hops that a datagram may take":
            ttl = Socket::ttl,
            set_ttl = Socket::set_ttl,
            u32;
        "true if what is sent to a group of IPv4 comes back to this machine":
            multicast_loop_v4 = |socket| socket.as_ref().multicast_loop_v4(),
            set_multicast_loop_v4 = |socket, comes| socket.as_ref().set_multicast_loop_v4(comes),
            bool;
        "the hops that a datagram to a group of IPv4 may take":
            multicast_ttl_v4 = |socket| socket.as_ref().multicast_ttl_v4(),
            set_multicast_ttl_v4 = |socket, hops| socket.as_ref().set_multicast_ttl_v4(hops),
            u32;
        "true if what is sent to a group of IPv6 comes back to this machine":
            multicast_loop_v6 = |socket| socket.as_ref().multicast_loop_v6(),
            set_multicast_loop_v6 = |socket, comes| socket.as_ref().set_multicast_loop_v6(comes),
            bool;
    }
}

fn recv_from(io: &BorrowedIo<'_>, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    from_peer(io, buf, |io, room| io.recv_from(room))
}

fn from_peer(
    io: &BorrowedIo<'_>,
    buf: &mut [u8],
    receive: impl Fn(&SockRef<'_>, &mut [MaybeUninit<u8>]) -> io::Result<(usize, SockAddr)>,
) -> io::Result<(usize, SocketAddr)> {
    loop {
        match receive(&SockRef::from(io), buffer::uninit(buf)) {
            Err(error) if peer::is_of_earlier_datagram(io, &error) => {}
            received => {
                let (len, peer) = received?;
                return Ok((len, socket::internet(peer)?));
            }
        }
    }
}
