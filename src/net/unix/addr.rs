//! Paths and other names of sockets, from std's form to the system's and back.

use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use policy_core::Address;
use socket2::SockAddr;

pub(super) fn of_path(path: &Path) -> io::Result<SockAddr> {
    of_std(&named(path)?)
}

/// Binds by std: to a path, or to the abstract name that it stands for.
pub(super) fn bind<'a, T>(
    path: &'a Path,
    to_path: impl FnOnce(&'a Path) -> io::Result<T>,
    to_address: impl FnOnce(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    if is_abstract(path) { to_address(&named(path)?) } else { to_path(path) }
}

/// Makes an address of a path; of one that begins with NUL an abstract name, as tokio and
/// Linux' own manual write them.
fn named(path: &Path) -> io::Result<SocketAddr> {
    if !is_abstract(path) {
        // By std, which names what is wrong.
        return SocketAddr::from_pathname(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return SocketAddr::from_abstract_name(
        path.as_os_str().as_bytes().get(1..).unwrap_or_default(),
    );
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "this begins with NUL, as the abstract names of Linux do, which this system has not; give a path, or an address to `bind_addr`",
    ))
}

fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&0)
}

pub(super) fn of_std(address: &SocketAddr) -> io::Result<SockAddr> {
    Address::from(address.clone()).to_system()
}

/// Never fails, whatever name a peer has bound: what std can't say is unnamed.
pub(super) fn to_std(address: &SockAddr) -> io::Result<SocketAddr> {
    match Address::from_system(address) {
        Address::Unix(address) => Ok(address),
        // The empty path is std's way to say that there is no name, and it takes that.
        _ => SocketAddr::from_pathname(""),
    }
}
