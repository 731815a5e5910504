//! What the kernel can do for children, for those outside of this room.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;

pub(crate) use super::identity::pidfd::pidfds_work;

/// Whether children are started by a way of our own, with a pidfd from birth.
#[cfg(target_os = "linux")]
pub(crate) fn clone3_works() -> io::Result<()> {
    super::start::clone3_works()
}

/// Whether the kernel keeps the status of a child that somebody else reaped.
#[cfg(target_os = "linux")]
pub(crate) fn exit_after_reap() -> io::Result<()> {
    let own = super::sys::pidfd_open(std::process::id())?;
    super::sys::status_after_reap(own.as_fd()).map(|_not_yet| ())
}

/// No such thing here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exit_after_reap() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
