//! What a child says to its parent before it is its program: its pidfd, and why it failed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

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
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok((sys::above_standard(ours)?, sys::above_standard(theirs)?))
}

/// Sends a copy of a descriptor. Async-signal-safe.
pub(super) fn send(way: &OwnedFd, fd: &OwnedFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(way, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Says that the start failed. Async-signal-safe.
pub(super) fn fail(way: &OwnedFd, failed: Failed) {
    // Nobody is there to be told if this fails.
    let _sent = rustix::net::send(way, &failed.to_bytes(), SendFlags::NOSIGNAL);
}

/// Returns what was sent. `wait`: until the child has no end of the way any more.
pub(super) fn receive(way: &OwnedFd, wait: bool) -> Received {
    let mut received = Received::default();
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    flags.set(RecvFlags::DONTWAIT, !wait);
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; Failed::SIZE];
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let length = match recvmsg(way, &mut buffers, &mut control, flags) {
            Ok(message) if message.bytes > 0 => message.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            _ => return received,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut fds) = message {
                received.pidfd = fds.next().and_then(|fd| sys::above_standard(fd).ok());
            }
        }
        if length == Failed::SIZE {
            received.failed = Some(Failed::from_bytes(bytes));
        }
    }
}
