//! TCP listeners, and the connections that they accept.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::TcpStream;
use crate::net::accept::{Acceptor, Pause, listener};
use crate::net::addr::ToSocketAddrs;
use crate::net::connect::listen;
use crate::net::socket::Socket;
use crate::net::sys;

/// A TCP socket that listens for connections.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
/// use policy::net::{TcpListener, TcpStream};
///
/// policy::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = policy::spawn(async move {
///         let mut incoming = listener.incoming();
///         while let Some(stream) = incoming.next().await {
///             let mut stream = stream?;
///             let echo = async move {
///                 let (reader, writer) = stream.split();
///                 policy::io::copy(reader, writer).await
///             };
///             drop(policy::spawn(echo)); // goes on by itself
///         }
///         std::io::Result::Ok(())
///     });
///     let mut client = TcpStream::connect(address).await?;
///     client.write_all(b"hello").await?;
///     let mut echo = [0; 5];
///     client.read_exact(&mut echo).await?;
///     assert_eq!(&echo, b"hello");
///     server.abort();
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener {
    acceptor: Acceptor,
}

impl TcpListener {
    /// Binds the first available address and listens on it.
    ///
    /// On Unix an address can be bound again as soon as its listener was closed (`SO_REUSEADDR`, as
    /// in std). With port 0 the system chooses the port; [`local_addr`](Self::local_addr) returns
    /// it.
    ///
    /// # Errors
    /// Returns the error of the last address: [`io::ErrorKind::AddrInUse`],
    /// [`io::ErrorKind::PermissionDenied`] for low ports, [`io::ErrorKind::AddrNotAvailable`].
    /// Returns the errors of [`lookup_host`](crate::net::lookup_host).
    ///
    /// ```
    /// use policy::net::TcpListener;
    ///
    /// policy::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let taken = TcpListener::bind(listener.local_addr()?).await;
    ///     assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let target = address.target()?;
        drop(address);
        let mut last = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in target.resolve().await? {
            last = listen(address).map(|socket| Self { acceptor: Acceptor::new(socket) });
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Waits for a connection, and returns it with the peer's address.
    ///
    /// Any number of tasks may wait at once. Cancel safe: a connection that was not returned stays
    /// in the queue.
    ///
    /// # Errors
    /// Returns the error of the system, and an error with a [`policy::Error`](crate::Error) inside if
    /// it can't wait here. Errors that concern a single connection are skipped; the listener keeps
    /// working. If no descriptors are left (EMFILE, ENFILE), the connection stays in the queue, and
    /// the next call waits a moment before it asks the system again: a loop that logs the error and
    /// continues does not spin.
    ///
    /// ```
    /// # async fn example(listener: &policy::net::TcpListener) -> std::io::Result<()> {
    /// loop {
    ///     match listener.accept().await {
    ///         Ok((stream, peer)) => drop(policy::spawn(async move {
    ///             println!("{peer} has come: {stream:?}");
    ///         })),
    ///         Err(error) => eprintln!("that went wrong: {error}"), // the next may not
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut pause = Pause::default();
        std::future::poll_fn(|cx| self.poll_with(cx, &mut pause)).await
    }

    pub(super) fn of(socket: Socket) -> Self {
        Self { acceptor: Acceptor::new(socket) }
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    /// Returns the error of the system.
    ///
    /// ```
    /// # async fn example(listener: &policy::net::TcpListener) -> std::io::Result<()> {
    /// println!("listening at {}", listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }
}

options! {
    TcpListener {
        "the hops that a packet may take, of connections to come too":
            ttl = Socket::ttl,
            set_ttl = Socket::set_ttl,
            u32;
    }
}

listener!(TcpListener, std::net::TcpListener, sys::accept => (TcpStream, SocketAddr));
