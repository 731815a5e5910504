//! Why nobody could be connected to.

use std::fmt;
use std::io;
use std::os::unix::net::SocketAddr;

use socket2::SockAddr;

use super::addr;

/// Why connecting to an address failed.
///
/// ```
/// use policy::net::unix::{ConnectError, UnixStream};
///
/// policy::run(async {
///     let error = UnixStream::connect("/nowhere/socket").await.unwrap_err();
///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
///     assert!(error.to_string().contains("/nowhere/socket"));
///     let error = error.into_inner().and_then(|inner| inner.downcast::<ConnectError>().ok());
///     let error = error.expect("it says which address");
///     assert!(error.address().and_then(|address| address.as_pathname()).is_some());
/// });
/// ```
#[derive(Debug)]
pub struct ConnectError {
    /// Unknown, if std can't say it.
    address: Option<SocketAddr>,
    cause: io::Error,
}

impl ConnectError {
    pub(super) fn wrap(address: &SockAddr, cause: io::Error) -> io::Error {
        let kind = cause.kind();
        io::Error::new(kind, Self { address: addr::to_std(address).ok(), cause })
    }

    /// Returns the address, if std can represent it.
    pub fn address(&self) -> Option<&SocketAddr> {
        self.address.as_ref()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.address.as_ref().and_then(SocketAddr::as_pathname);
        match (path, &self.address) {
            (Some(path), _) => write!(f, "can't connect to {path:?}")?,
            (None, Some(address)) => write!(f, "can't connect to {address:?}")?,
            (None, None) => f.write_str("can't connect")?,
        }
        write!(f, " ({}); check the path, and that somebody listens there", self.cause)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
