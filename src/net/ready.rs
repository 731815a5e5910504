//! What to wait for on a socket, and what it is ready for.

use std::fmt;
use std::ops::BitOr;

use policy_core::Interest;

/// One [`Interest`] or both, to wait for whichever comes first.
///
/// ```
/// use policy::selector::Interest;
/// use policy::net::Interests;
///
/// let both = Interests::READABLE | Interests::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert!(!Interests::from(Interest::Readable).is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interests(u8);

impl Interests {
    /// There are bytes to read, a connection to accept, or an end.
    pub const READABLE: Self = Self(1);
    /// There is room to write.
    pub const WRITABLE: Self = Self(2);

    /// Returns true if it includes reading.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Returns true if it includes writing.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Interest> {
        let readable = self.is_readable().then_some(Interest::Readable);
        readable.into_iter().chain(self.is_writable().then_some(Interest::Writable))
    }
}

impl From<Interest> for Interests {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Readable => Self::READABLE,
            Interest::Writable => Self::WRITABLE,
        }
    }
}

impl BitOr for Interests {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Interests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.each()).finish()
    }
}

/// What a socket was ready for when the system was asked.
///
/// After an end or an error the socket is ready, too: the next read or write returns it at once.
///
/// ```
/// use policy::net::{Interests, UnixStream};
///
/// # #[cfg(unix)]
/// policy::run(async {
///     let (a, b) = UnixStream::pair()?;
///     let ready = a.ready(Interests::READABLE | Interests::WRITABLE).await?;
///     assert!(ready.is_writable() && !ready.is_readable());
///     drop(b);
///     assert!(a.ready(Interests::READABLE).await?.is_read_closed());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    pub(crate) error: bool,
}

impl Ready {
    /// Returns true if it is ready for nothing. The result of a wait is never empty.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Returns true if a read would not block.
    pub fn is_readable(self) -> bool {
        self.readable || self.read_closed
    }

    /// Returns true if a write would not block.
    pub fn is_writable(self) -> bool {
        self.writable || self.write_closed
    }

    /// Returns true if the peer has closed its writing side. There may be bytes to read before the
    /// end.
    pub fn is_read_closed(self) -> bool {
        self.read_closed
    }

    /// Returns true if the peer does not read any more.
    pub fn is_write_closed(self) -> bool {
        self.write_closed
    }

    /// Returns true if an error is pending; `take_error` or the next operation returns it.
    pub fn is_error(self) -> bool {
        self.error
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.readable, "readable"),
            (self.writable, "writable"),
            (self.read_closed, "read closed"),
            (self.write_closed, "write closed"),
            (self.error, "error"),
        ];
        f.debug_set()
            .entries(names.into_iter().filter(|(is, _)| *is).map(|(_, name)| name))
            .finish()
    }
}
