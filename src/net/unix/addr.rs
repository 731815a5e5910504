//! Paths and other names of sockets, from std's form to the system's and back.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use socket2::SockAddr;

/// Returns the address of a path.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`], if it is too long, or has a zero in it.
pub(super) fn of_path(path: &Path) -> io::Result<SockAddr> {
    // By std, which names what is wrong.
    of_std(&SocketAddr::from_pathname(path)?)
}

pub(super) fn of_std(address: &SocketAddr) -> io::Result<SockAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_name() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        // Abstract names begin with a zero.
        return SockAddr::unix(OsStr::from_bytes(&[&[0], name].concat()));
    }
    match address.as_pathname() {
        Some(path) => SockAddr::unix(path),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a socket without a name can't be reached by one; give it one by `bind`",
        )),
    }
}

pub(super) fn to_std(address: &SockAddr) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        return SocketAddr::from_abstract_name(name);
    }
    // The empty path is std's way to say that there is no name.
    SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new("")))
}
