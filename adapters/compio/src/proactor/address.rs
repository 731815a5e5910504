//! Addresses as the system has them.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr as UnixAddr;

use policy_core::Address;
use socket2::{SockAddr, SockRef};

/// Converts for the system.
///
/// # Errors
/// `InvalidInput` for a Unix socket without a name, which nobody can talk to.
pub(super) fn to_system(address: &Address) -> io::Result<SockAddr> {
    match address {
        Address::Inet(address) => Ok((*address).into()),
        Address::Unix(address) => unix_to_system(address),
        _ => Err(invalid(
            "this is no address that a socket can have; use an internet address, or a path",
        )),
    }
}

fn unix_to_system(address: &UnixAddr) -> io::Result<SockAddr> {
    if let Some(path) = address.as_pathname() {
        return SockAddr::unix(path);
    }
    match address.as_abstract_name() {
        Some(name) => {
            let name = [b"\0", name].concat();
            SockAddr::unix(std::ffi::OsStr::from_bytes(&name))
        }
        None => Err(invalid("a Unix socket without a name can't be talked to; bind it to a path")),
    }
}

/// Converts what the system told; `None` for a family that we don't know.
pub(super) fn from_system(address: &SockAddr) -> Option<Address> {
    if let Some(address) = address.as_socket() {
        return Some(address.into());
    }
    if !address.is_unix() {
        return None;
    }
    let unix = match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => UnixAddr::from_pathname(path),
        (None, Some(name)) => UnixAddr::from_abstract_name(name),
        // No name at all.
        (None, None) => UnixAddr::from_pathname(""),
    };
    unix.ok().map(Address::from)
}

/// Returns who sent what came without an address: a Unix socket without a name, or the
/// peer of a stream.
pub(super) fn of_sender(socket: BorrowedFd<'_>) -> Option<Address> {
    let socket = SockRef::from(&socket);
    if socket.local_addr().is_ok_and(|address| address.is_unix()) {
        return UnixAddr::from_pathname("").ok().map(Address::from);
    }
    from_system(&socket.peer_addr().ok()?)
}

fn invalid(message: &'static str) -> io::Error {
    policy_core::Error::new(policy_core::ErrorKind::InvalidInput, message).into()
}
