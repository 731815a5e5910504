//! A socket that is neither a stream nor a listener yet.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use policy_core::{Interest, peer};
use socket2::{Domain, Protocol, SockAddr, Type};

use super::{TcpListener, TcpStream};
use crate::io::anchor::served_loop;
use crate::net::connect::ConnectError;
use crate::net::socket::Socket;
use crate::net::sys;

/// A TCP socket that does not connect or listen yet: to bind a local address, and to set options
/// that apply from the first packet.
///
/// You don't need it for [`TcpStream::connect`] and [`TcpListener::bind`]. It sets no option by
/// itself: on Unix, call [`set_reuseaddr`](Self::set_reuseaddr) for a listener whose address must
/// be available again at once.
///
/// ```
/// use policy::net::TcpSocket;
///
/// policy::run(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.bind("127.0.0.1:0".parse().expect("an address"))?;
///     let listener = socket.listen(16)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.set_nodelay(true)?;
///     let client = socket.connect(listener.local_addr()?).await?;
///     let (server, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///     # drop(server);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Makes an IPv4 socket.
    ///
    /// # Errors
    /// Returns an error at the limit of open files, and if the system has no IPv4.
    ///
    /// ```
    /// let socket = policy::net::TcpSocket::new_v4()?;
    /// # drop(socket);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// Makes an IPv6 socket.
    ///
    /// # Errors
    /// Returns an error at the limit of open files, and if the system has no IPv6.
    ///
    /// ```
    /// match policy::net::TcpSocket::new_v6() {
    ///     Ok(socket) => println!("{socket:?}"),
    ///     Err(none) => println!("no IPv6 here: {none}"),
    /// }
    /// ```
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    fn new(domain: Domain) -> io::Result<Self> {
        let socket = sys::nonblocking(domain, Type::STREAM, Some(Protocol::TCP))?;
        Ok(Self { socket: Socket::nonblocking(socket) })
    }

    /// Converts a socket that was made elsewhere (by `socket2`, for example) and makes it
    /// non-blocking. std's type is only a wrapper here: the socket must be neither connected nor
    /// listening.
    ///
    /// # Errors
    /// Returns an error if the system refuses.
    ///
    /// ```
    /// let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    /// let socket = policy::net::TcpSocket::from_std(socket.into())?;
    /// # drop(socket);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(socket: net::TcpStream) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(socket)? })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Binds the socket to a local address. With port 0 the system chooses the port.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::AddrInUse`], [`io::ErrorKind::PermissionDenied`] for low ports,
    /// [`io::ErrorKind::AddrNotAvailable`], [`io::ErrorKind::InvalidInput`] if the socket is bound
    /// already, or the system's error for an address of another family.
    ///
    /// ```
    /// let socket = policy::net::TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.as_ref().bind(&address.into())
    }

    /// Connects the socket. Cancel safe: nothing is left behind.
    ///
    /// # Errors
    /// Returns an error with a [`ConnectError`] inside, which names the address, and with the
    /// system's [`kind`](io::Error::kind). Returns an error with a [`policy::Error`](crate::Error)
    /// inside if no loop runs here; nothing was sent then.
    ///
    /// ```
    /// use policy::net::TcpSocket;
    ///
    /// policy::run(async {
    ///     let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    ///     let refused = TcpSocket::new_v4()?.connect(free).await.unwrap_err();
    ///     assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        drop(served_loop()?);
        let connected = match peer::begin_connect(&self.socket.as_ref(), &SockAddr::from(address)) {
            Ok(_) => self.socket.with(Interest::Writable, peer::is_connected).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(()) => Ok(TcpStream::of(self.socket)),
            // No loop, a closed one: not the address's fault.
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<crate::Error>()) => {
                Err(error)
            }
            Err(error) => Err(ConnectError::of(address, error).into()),
        }
    }

    /// Listens for connections; up to `backlog` of them may wait to be accepted. The system may
    /// have a lower limit.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::AddrInUse`] if another socket took the address meanwhile, or the
    /// system's error if the socket is connected.
    ///
    /// ```
    /// let socket = policy::net::TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    /// let listener = socket.listen(1024)?;
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.as_ref().listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(TcpListener::of(self.socket))
    }

    /// Returns the local address: unspecified, if the socket is not bound.
    ///
    /// # Errors
    /// Returns the error of the system; on Windows, also if the socket is not bound.
    ///
    /// ```
    /// # fn example(socket: &policy::net::TcpSocket) -> std::io::Result<()> {
    /// println!("{}", socket.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Takes the pending error of the socket.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses.
    ///
    /// ```
    /// assert!(policy::net::TcpSocket::new_v4()?.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.as_ref().take_error()
    }
}

connection_options!(TcpSocket);

/// The options that are an integer or a yes for the system.
macro_rules! buffer_size {
    ($get:ident) => {
        |socket| Ok(u32::try_from(socket.as_ref().$get()?).unwrap_or(u32::MAX))
    };
    (set $set:ident) => {
        |socket, size| {
            // The system takes a C int, and would take a larger one for a negative.
            let size = size.min(i32::MAX as u32) as usize;
            socket.as_ref().$set(size)
        }
    };
}

options! {
    TcpSocket {
        "true if the address can be bound while connections of a former listener there are not over (`SO_REUSEADDR`)":
            reuseaddr = |socket| socket.as_ref().reuse_address(),
            /// On Windows it lets other sockets take the address.
            set_reuseaddr = |socket, may| socket.as_ref().set_reuse_address(may),
            bool;
        "how many bytes may wait to be sent (`SO_SNDBUF`)":
            send_buffer_size = buffer_size!(send_buffer_size),
            /// Linux doubles it, within limits of its own.
            set_send_buffer_size = buffer_size!(set set_send_buffer_size),
            u32;
        "how many bytes may wait to be received (`SO_RCVBUF`)":
            recv_buffer_size = buffer_size!(recv_buffer_size),
            /// If you set it before the socket connects or listens, it decides the window of the
            /// connection. Linux doubles it, within limits of its own.
            set_recv_buffer_size = buffer_size!(set set_recv_buffer_size),
            u32;
    }
}

#[cfg(unix)]
options! {
    TcpSocket {
        "true if several sockets may listen at one address, and share its connections (`SO_REUSEPORT`)":
            reuseport = |socket| socket.as_ref().reuse_port(),
            set_reuseport = |socket, may| socket.as_ref().set_reuse_port(may),
            bool;
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("local", &self.local_addr().ok())
            .field("io", &self.socket)
            .finish()
    }
}

has_descriptor!(TcpSocket);
