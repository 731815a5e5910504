//! Whom a socket talks to.

use std::fmt;
use std::net::SocketAddr;

/// The address of a socket: of the internet, or a Unix socket's.
///
/// Equal to a [`SocketAddr`] that means the same, so that what
/// [`recv_from`](crate::ProactorHandle::recv_from) tells can be compared with what
/// std's sockets say.
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
    /// A path, an abstract name, or nothing.
    #[cfg(unix)]
    Unix(std::os::unix::net::SocketAddr),
}

impl Address {
    /// Returns the internet address, if it is one.
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
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Returns the address of a Unix socket, if it is one.
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
            Self::Inet(_) => None,
        }
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
            #[cfg(unix)]
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
    {
        use std::os::linux::net::SocketAddrExt;
        (false, address.as_abstract_name())
    }
    #[cfg(not(target_os = "linux"))]
    (false, None)
}
