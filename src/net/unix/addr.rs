//! Paths and other names of sockets, from std's form to the system's and back.

use std::io;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use policy_core::Address;
use socket2::SockAddr;

pub(super) fn of_path(path: &Path) -> io::Result<SockAddr> {
    // By std, which names what is wrong.
    of_std(&SocketAddr::from_pathname(path)?)
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
