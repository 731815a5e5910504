//! Sockets of this machine, named by paths: streams, listeners, datagrams.

mod addr;
mod cred;
mod datagram;
mod error;
mod listener;
pub mod pipe;
mod split;
mod stream;

pub use cred::UCred;
pub use datagram::UnixDatagram;
pub use error::ConnectError;
pub use listener::{Incoming, UnixListener};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::UnixStream;

pub use std::os::unix::net::SocketAddr;
