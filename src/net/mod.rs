//! Sockets, served by whichever loop runs.
//!
//! They are std's, made to wait: no executor is named, and each may be used with any
//! loop. A socket belongs to the loop that runs when it has to be waited for first, and
//! stays there; to take it to another loop, go by [`TcpStream::into_std`] and
//! [`TcpStream::from_std`]. Waiting where nobody would notice the end of it (no loop
//! runs, or the socket's is closed) is an error with a
//! [`policy::Error`](crate::Error) inside, never a hang.
//!
//! | I want to … | use |
//! |---|---|
//! | connect to a host by name or address | [`TcpStream::connect`] |
//! | serve connections | [`TcpListener::bind`], [`TcpListener::incoming`] |
//! | set options before a socket connects or listens | [`TcpSocket`] |
//! | send and receive datagrams | [`UdpSocket`] |
//! | talk to processes on this machine | `UnixStream`, `UnixListener`, `UnixDatagram`, on Unix |
//! | wait for a descriptor of one's own, or a pipe | `AsyncFd`, `unix::pipe`, on Unix |
//! | find the addresses of a name | [`lookup_host`] |
//!
//! Streams read and write by the traits of [futures-io](futures_io), whose methods come
//! from an extension trait such as `futures_lite::{AsyncReadExt, AsyncWriteExt}`. They do
//! so by shared reference as well: one task may read from `&stream` while another
//! writes to it. Several tasks may wait for the same socket, and no wake-up is lost.
//!
//! Everything that waits is cancel safe, if it says nothing else: a read, an accept or a
//! receive that is dropped has taken nothing. No call allocates, but for those that make
//! sockets.

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
mod socket;
mod sys;
#[cfg(windows)]
mod sys_windows;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::ToSocketAddrs;
#[cfg(unix)]
pub use async_fd::{AsyncFd, AsyncFdReadyGuard, TryIoError};
pub use connect::ConnectError;
pub use datagram::Received;
pub use lookup::lookup_host;
pub use ready::{Interests, Ready};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixDatagram, UnixListener, UnixStream};

pub use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
