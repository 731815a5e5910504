//! One operation, with everything that it owns while the system works on it.

use crate::os::OwnedIo;
use crate::{Address, Buffer, Interest};

/// An operation for a [`Proactor`](crate::Proactor), which the proactor returns when it is done,
/// with the buffers and the results.
///
/// An operation whose result is a number of bytes puts them into its buffers with
/// [`Buffer::set_filled`].
///
/// ```
/// use policy_core::{Buffer, Operation};
///
/// let operation = Operation::Read { buffer: Buffer::from(vec![0; 4096]), at: Some(0) };
/// if let Operation::Read { at: Some(offset), .. } = operation {
///     assert_eq!(offset, 0); // pread
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Operation {
    /// `read`, or `pread` with a position.
    Read {
        /// Filled from its beginning.
        buffer: Buffer,
        /// The position in a file; `None` is where the file stands, or a stream.
        at: Option<u64>,
    },
    /// `write`, or `pwrite` with a position. May write fewer bytes.
    Write {
        /// What is written.
        buffer: Buffer,
        /// As in [`Read`](Self::Read).
        at: Option<u64>,
    },
    /// `readv`, or `preadv` with a position.
    ReadVectored {
        /// Filled one after the other.
        buffers: Vec<Buffer>,
        /// As in [`Read`](Self::Read).
        at: Option<u64>,
    },
    /// `writev`, or `pwritev` with a position.
    WriteVectored {
        /// What is written, in this order.
        buffers: Vec<Buffer>,
        /// As in [`Read`](Self::Read).
        at: Option<u64>,
    },
    /// `recv` on a socket.
    Recv {
        /// Filled from its beginning.
        buffer: Buffer,
    },
    /// `send` on a socket. No SIGPIPE.
    Send {
        /// What is sent.
        buffer: Buffer,
    },
    /// `recv` on a socket, into several buffers.
    RecvVectored {
        /// Filled one after the other.
        buffers: Vec<Buffer>,
    },
    /// `send` on a socket, from several buffers. No SIGPIPE.
    SendVectored {
        /// What is sent, in this order.
        buffers: Vec<Buffer>,
    },
    /// `recvfrom` on a socket.
    RecvFrom {
        /// Filled from its beginning.
        buffer: Buffer,
        /// Who sent it: put here when it is done.
        from: Option<Address>,
    },
    /// `sendto` on a socket. No SIGPIPE.
    SendTo {
        /// What is sent.
        buffer: Buffer,
        /// To whom.
        to: Address,
    },
    /// `accept` on a listening socket. The result is 0.
    Accept {
        /// The connection, close-on-exec, and who made it: put here when it is done.
        accepted: Option<(OwnedIo, Address)>,
    },
    /// `connect` of a socket. The result is 0.
    Connect {
        /// To whom.
        to: Address,
    },
}

impl Operation {
    /// Returns what to wait for if the operation would block.
    ///
    /// ```
    /// use policy_core::{Interest, Operation};
    ///
    /// assert_eq!(Operation::Accept { accepted: None }.interest(), Interest::Readable);
    /// ```
    pub fn interest(&self) -> Interest {
        match self {
            Self::Read { .. }
            | Self::ReadVectored { .. }
            | Self::Recv { .. }
            | Self::RecvVectored { .. }
            | Self::RecvFrom { .. }
            | Self::Accept { .. } => Interest::Readable,
            Self::Write { .. }
            | Self::WriteVectored { .. }
            | Self::Send { .. }
            | Self::SendVectored { .. }
            | Self::SendTo { .. }
            | Self::Connect { .. } => Interest::Writable,
        }
    }
}
