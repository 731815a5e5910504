//! TCP listeners, and the connections that they accept.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::TcpStream;
use crate::net::accept::{Acceptor, Pause};
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

    /// Converts a std listener and makes it non-blocking.
    ///
    /// # Errors
    /// Returns an error if the system refuses.
    ///
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = policy::net::TcpListener::from_std(listener)?;
    /// # let _listener = listener;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        Ok(Self { acceptor: Acceptor::new(Socket::new(listener)?) })
    }

    /// Converts into a std listener, which blocks and belongs to no loop.
    ///
    /// # Errors
    /// Returns an error if the system refuses to make it blocking.
    ///
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = policy::net::TcpListener::from_std(listener)?;
    /// let listener: std::net::TcpListener = listener.into_std()?;
    /// # let _listener = listener;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        self.acceptor.socket.into_std()
    }

    fn socket(&self) -> &Socket {
        &self.acceptor.socket
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

    /// Polls for a connection; see [`accept`](Self::accept). If several tasks poll, each is woken
    /// when a connection arrives; while the listener pauses because no descriptors are left, only
    /// the task that polled last.
    ///
    /// # Errors
    /// Returns the errors of [`accept`](Self::accept).
    ///
    /// ```
    /// # async fn example(listener: &policy::net::TcpListener) -> std::io::Result<()> {
    /// let (stream, _) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut pause = self.acceptor.take_pause();
        let polled = self.poll_with(cx, &mut pause);
        self.acceptor.keep_pause(pause);
        polled
    }

    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        pause: &mut Pause,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.acceptor
            .poll(cx, pause, sys::accept)
            .map_ok(|(io, peer)| (TcpStream::of(Socket::nonblocking(io)), peer))
    }

    /// Returns the connections as a stream, which never ends. An error is an item, and the stream
    /// continues after it; see [`accept`](Self::accept).
    ///
    /// ```
    /// # async fn example(listener: &policy::net::TcpListener) -> std::io::Result<()> {
    /// use futures_lite::StreamExt;
    ///
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("{:?}", stream?.peer_addr());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self, pause: Pause::default() }
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

    /// Takes the pending error of the socket.
    ///
    /// # Errors
    /// Returns the error of the system if it refuses.
    ///
    /// ```
    /// # async fn example(listener: &policy::net::TcpListener) -> std::io::Result<()> {
    /// assert!(listener.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket().as_ref().take_error()
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

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;

    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("local", &self.local_addr().ok())
            .field("io", self.socket())
            .finish()
    }
}

has_descriptor!(TcpListener);

/// The connections of a listener; see [`TcpListener::incoming`].
///
/// ```
/// fn connections(listener: &policy::net::TcpListener) -> policy::net::tcp::Incoming<'_> {
///     listener.incoming()
/// }
/// # let _connections = connections;
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
    pause: Pause,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.listener
            .poll_with(cx, &mut this.pause)
            .map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
