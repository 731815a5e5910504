//! TCP: streams, listeners, and the halves of streams.

/// The options of a connection, which a socket can have before it is one.
macro_rules! connection_options {
    ($type:ident) => {
        options! {
            $type {
                "true if small writes are sent at once (`TCP_NODELAY`), and not collected":
                    nodelay = |socket| socket.as_ref().tcp_nodelay(),
                    set_nodelay = |socket, at_once| socket.as_ref().set_tcp_nodelay(at_once),
                    bool;
                "how long closing goes on sending what was written (`SO_LINGER`)":
                    linger = |socket| socket.as_ref().linger(),
                    /// Zero resets the connection instead; `None` leaves unsent bytes to the system, in the
                    /// background. Any other value makes dropping the stream block its thread. More than
                    /// 65,535 seconds are refused: the system would truncate the value.
                    set_linger = Socket::set_linger,
                    Option<Duration>;
                "how long the connection is idle before the peer is asked whether it is still there (`SO_KEEPALIVE`); `None` is never":
                    keepalive = Socket::keepalive,
                    set_keepalive = Socket::set_keepalive,
                    Option<Duration>;
            }
        }
    };
}

mod listener;
mod socket;
mod split;
mod stream;

pub use listener::{Incoming, TcpListener};
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
