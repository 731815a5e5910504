//! Where there are no pidfds, a child has none to send.

use std::io;
use std::os::fd::OwnedFd;

pub(in crate::process) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::process) fn send(_: &OwnedFd, _: &OwnedFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::process) fn receive(_: &OwnedFd) -> Option<OwnedFd> {
    None
}
