//! TCP connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::addr::ToSocketAddrs;
use crate::net::connect;
use crate::net::socket::Socket;

/// A TCP connection.
///
/// Both `TcpStream` and `&TcpStream` implement futures-io's traits for reading and writing. Closing
/// it (`close` of the extension traits) shuts down the writing side only; dropping it ends both.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use policy::net::{TcpListener, TcpStream};
///
/// policy::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     client.close().await?;
///     let mut text = String::new();
///     server.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream {
    socket: Socket,
}

impl TcpStream {
    /// Connects to the first address that answers.
    ///
    /// A host name is looked up on another thread. If there are several addresses, each gets a head
    /// start of 250 milliseconds before the next is tried beside it, IPv6 and IPv4 in turn ([RFC
    /// 8305](https://www.rfc-editor.org/rfc/rfc8305), "happy eyeballs"); the first connection wins,
    /// and the others are dropped.
    ///
    /// There is no time limit but the system's, which is minutes; put a
    /// [`timeout`](crate::time::timeout) around it. Cancel safe: nothing is left behind.
    ///
    /// # Errors
    /// Returns an error with a [`ConnectError`](crate::net::ConnectError) inside, which has the
    /// reason of each address, and with the last one's [`kind`](io::Error::kind). Returns the
    /// errors of [`lookup_host`](crate::net::lookup_host). Returns an error with a
    /// [`policy::Error`](crate::Error) inside if no loop runs here; nothing was sent then.
    ///
    /// ```
    /// use policy::net::TcpStream;
    /// use policy::time::{timeout, Duration};
    ///
    /// let refused = policy::run(async {
    ///     let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    ///     timeout(Duration::from_secs(20), TcpStream::connect(free)).await?
    /// });
    /// assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    /// ```
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let target = address.target()?;
        drop(address);
        let socket = connect::first_of(target.resolve().await?).await?;
        Ok(Self { socket })
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # fn example(stream: &policy::net::TcpStream) -> std::io::Result<()> {
    /// println!("{}", stream.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    /// Returns [`io::ErrorKind::NotConnected`] if the peer has gone.
    ///
    /// ```
    /// # fn example(stream: &policy::net::TcpStream) -> std::io::Result<()> {
    /// println!("{}", stream.peer_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

stream!(TcpStream, "TcpStream", std::net::TcpStream);
connection_options!(TcpStream);

options! {
    TcpStream {
        "the hops that a packet may take":
            ttl = Socket::ttl,
            set_ttl = Socket::set_ttl,
            u32;
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
options! {
    TcpStream {
        "true if what arrives is acknowledged at once (`TCP_QUICKACK`)":
            quickack = |socket| socket.as_ref().tcp_quickack(),
            /// Linux may turn it off again by itself: set it after each read for which you need it.
            set_quickack = |socket, at_once| socket.as_ref().set_tcp_quickack(at_once),
            bool;
    }
}
