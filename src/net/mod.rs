//! Sockets, on any loop.
//!
//! They wrap std's sockets, name no executor, and work with any loop. A socket belongs to the loop
//! that runs when it first has to wait, and stays there; to move it to another loop, use
//! [`TcpStream::into_std`] and [`TcpStream::from_std`]. A wait that nothing could end (because no
//! loop runs, or the socket's loop is closed) returns an error with a
//! [`policy::Error`](crate::Error) inside, and never hangs.
//!
//! | I want to … | use |
//! |---|---|
//! | connect to a host by name or address | [`TcpStream::connect`] |
//! | serve connections | [`TcpListener::bind`], [`TcpListener::incoming`] |
//! | set options before a socket connects or listens | [`TcpSocket`] |
//! | send and receive datagrams | [`UdpSocket`] |
//! | talk to processes on this machine | `UnixStream`, `UnixListener`, `UnixDatagram`, on Unix |
//! | wait for my own descriptor, or a pipe | `AsyncFd`, `unix::pipe`, on Unix |
//! | look up the addresses of a name | [`lookup_host`] |
//!
//! Streams implement the traits of [futures-io](futures_io), whose methods come from an extension
//! trait such as `futures_lite::{AsyncReadExt, AsyncWriteExt}`. Shared references implement them as
//! well: one task may read from `&stream` while another writes to it. Several tasks may wait for
//! the same socket, and no wake-up is lost.
//!
//! Every wait is cancel safe, unless its documentation says otherwise: a dropped read, accept or
//! receive has taken nothing. Only calls that make sockets allocate.

#[macro_use]
mod options;
#[macro_use]
mod stream_calls;
#[macro_use]
mod traits;
#[macro_use]
mod split;
#[macro_use]
mod datagram;

mod accept;
mod addr;
#[cfg(unix)]
mod async_fd;
mod buffer;
mod connect;
mod lookup;
mod ready;
mod settle;
mod socket;
mod sys;
#[cfg(windows)]
mod sys_windows;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

#[cfg(feature = "hyper")]
pub(crate) use accept::is_exhausted;
pub use addr::ToSocketAddrs;
#[cfg(unix)]
pub use async_fd::{AsyncFd, AsyncFdReadyGuard, TryIoError};
pub use connect::ConnectError;
pub use datagram::Received;
pub use lookup::lookup_host;
pub use ready::{Interests, Ready};
pub use settle::Settle;
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixDatagram, UnixListener, UnixStream};

pub use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
