//! Addresses of peers.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use socket2::{SockAddr, SockAddrStorage, SockRef};

use crate::os::BorrowedIo;
use crate::{Error, ErrorKind};

/// The address of a socket: an internet address or a Unix socket's.
///
/// Equal to a [`SocketAddr`] that means the same, so that you can compare an address from
/// [`recv_from`](crate::ProactorHandle::recv_from) with an address of std's sockets.
///
/// ```
/// use policy_core::Address;
/// use std::net::SocketAddr;
///
/// let local: SocketAddr = ([127, 0, 0, 1], 80).into();
/// assert_eq!(Address::from(local), local);
/// assert_eq!(Address::from(local).as_inet(), Some(local));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and a port.
    Inet(SocketAddr),
    /// A path, an abstract name, or no name.
    ///
    /// No name also stands for a name that std can't represent: Linux lets a peer bind a path of
    /// 108 bytes.
    #[cfg(unix)]
    Unix(std::os::unix::net::SocketAddr),
    /// An address of another family, or none. Only a received address can be unknown: you can't
    /// send to it.
    Unknown,
}

impl Address {
    /// Returns the internet address, if this is one.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use std::os::unix::net::SocketAddr;
    ///
    /// let path = SocketAddr::from_pathname("/run/socket").unwrap();
    /// assert_eq!(policy_core::Address::from(path).as_inet(), None);
    /// # }
    /// ```
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            _ => None,
        }
    }

    /// Returns the address of a Unix socket, if this is one.
    ///
    /// ```
    /// let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    /// let address = policy_core::Address::from(local);
    /// assert!(address.as_unix().is_none());
    /// ```
    #[cfg(unix)]
    pub fn as_unix(&self) -> Option<&std::os::unix::net::SocketAddr> {
        match self {
            Self::Unix(address) => Some(address),
            _ => None,
        }
    }

    /// Converts an address that the system reported.
    ///
    /// Never fails, whatever a peer has bound: an error here would lose an accepted connection, or
    /// bytes that were read.
    #[doc(hidden)]
    pub fn from_system(address: &SockAddr) -> Self {
        // One that was cut off (no Linux does that): socket2 would read beyond its end.
        if address.len() as usize > size_of::<SockAddrStorage>() {
            return Self::Unknown;
        }
        if let Some(address) = address.as_socket() {
            return Self::Inet(address);
        }
        #[cfg(unix)]
        if address.is_unix() {
            return from_unix(address).map_or_else(unnamed, Self::Unix);
        }
        Self::Unknown
    }

    /// Converts the sender's address of a message that this socket received, if the system reported
    /// it.
    ///
    /// Never fails, like [`from_system`](Self::from_system).
    #[doc(hidden)]
    pub fn of_sender(io: BorrowedIo<'_>, told: Option<&SockAddr>) -> Self {
        match told.map(Self::from_system) {
            None | Some(Self::Unknown) => {}
            Some(known) => return known,
        }
        let socket = SockRef::from(&io);
        // A sender without a name is not even said to be a Unix socket.
        #[cfg(unix)]
        if socket.local_addr().is_ok_and(|address| address.is_unix()) {
            return unnamed();
        }
        // A stream does not say who sent a part of it, and its peer may have gone since.
        socket.peer_addr().map_or(Self::Unknown, |address| Self::from_system(&address))
    }

    /// Returns the address in the form that system calls take.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidInput`] for an unknown address.
    #[doc(hidden)]
    pub fn to_system(&self) -> io::Result<SockAddr> {
        match self {
            Self::Inet(address) => Ok((*address).into()),
            #[cfg(unix)]
            Self::Unix(address) => unix_to_system(address),
            Self::Unknown => Err(Error::new(
                ErrorKind::InvalidInput,
                "nothing can be sent to an address that the system did not tell; use one of the internet, or a path",
            )
            .into()),
        }
    }
}

/// `None` for a path that std takes for too long, or otherwise for none.
#[cfg(unix)]
fn from_unix(address: &SockAddr) -> Option<std::os::unix::net::SocketAddr> {
    use std::os::unix::net::SocketAddr;

    // Not by socket2's `as_unix`, which unwraps what std says to it.
    if let Some(path) = address.as_pathname() {
        return SocketAddr::from_pathname(path).ok();
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;

        return SocketAddr::from_abstract_name(name).ok();
    }
    None
}

/// The empty path is std's way to say that there is no name.
#[cfg(unix)]
fn unnamed() -> Address {
    std::os::unix::net::SocketAddr::from_pathname("").map_or(Address::Unknown, Address::Unix)
}

#[cfg(unix)]
fn unix_to_system(address: &std::os::unix::net::SocketAddr) -> io::Result<SockAddr> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    match name(address) {
        (true, Some(path)) => SockAddr::unix(OsStr::from_bytes(path)),
        // A name that is no path begins with a byte of zero.
        (false, Some(name)) => SockAddr::unix(OsStr::from_bytes(&[&[0], name].concat())),
        (_, None) => Err(Error::new(
            ErrorKind::InvalidInput,
            "a socket without a name can't be reached by one; give it one by `bind`",
        )
        .into()),
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::SocketAddr> for Address {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        Self::Unix(address)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inet(one), Self::Inet(other)) => one == other,
            // Two sockets without a name are not the same socket.
            #[cfg(unix)]
            (Self::Unix(one), Self::Unix(other)) => !one.is_unnamed() && name(one) == name(other),
            _ => false,
        }
    }
}

impl PartialEq<SocketAddr> for Address {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.as_inet().as_ref() == Some(other)
    }
}

impl PartialEq<Address> for SocketAddr {
    fn eq(&self, other: &Address) -> bool {
        other == self
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(address) => fmt::Debug::fmt(address, f),
            Self::Unknown => f.write_str("(unknown)"),
        }
    }
}

/// A path, or a name that is no path (Linux); each by its bytes.
#[cfg(unix)]
fn name(address: &std::os::unix::net::SocketAddr) -> (bool, Option<&[u8]>) {
    use std::os::unix::ffi::OsStrExt;

    if let Some(path) = address.as_pathname() {
        return (true, Some(path.as_os_str().as_bytes()));
    }
    #[cfg(target_os = "linux")]
    return (false, std::os::linux::net::SocketAddrExt::as_abstract_name(address));
    #[cfg(target_os = "android")]
    return (false, std::os::android::net::SocketAddrExt::as_abstract_name(address));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    (false, None)
}
