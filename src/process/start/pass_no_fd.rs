//! Where there are no pidfds, a child has none to send.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::plan::Failed;
use crate::process::sys;

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) pidfd: Option<OwnedFd>,
    pub(super) failed: Option<Failed>,
}

/// Returns the two ends of the way: ours, and the child's.
///
/// # Errors
/// If there are no descriptors left.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((sys::above_standard(ours.into())?, sys::above_standard(theirs.into())?))
}

/// There is nothing to send.
pub(super) fn send(_: &OwnedFd, _: &OwnedFd) -> io::Result<()> {
    Ok(())
}

/// Says that the start failed. Async-signal-safe.
pub(super) fn fail(way: &OwnedFd, failed: Failed) {
    // Nobody is there to be told if this fails.
    let _sent = rustix::io::write(way, &failed.to_bytes());
}

/// Returns what was sent: until the child has no end of the way any more, which is soon.
pub(super) fn receive(way: &OwnedFd, _wait: bool) -> Received {
    let mut bytes = [0; Failed::SIZE];
    let read = loop {
        match rustix::io::read(way, &mut bytes) {
            Err(rustix::io::Errno::INTR) => {}
            read => break read,
        }
    };
    // As much as is written at once, or nothing.
    let failed = (read == Ok(Failed::SIZE)).then(|| Failed::from_bytes(bytes));
    Received { pidfd: None, failed }
}
