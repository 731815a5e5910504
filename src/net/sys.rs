//! What differs between systems.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Type};

#[cfg(unix)]
use super::ready::{Interests, Ready};
#[cfg(windows)]
pub(in crate::net) use super::sys_windows::{keepalive_time, readiness, send_error};
use crate::io::{BorrowedIo, OwnedIo};

/// The most buffers of one vectored call: with more, the system refuses.
pub(super) const MAX_SLICES: usize = 1024;

/// A flag of `send`: a peer that is gone is an error, and no SIGPIPE.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
pub(super) const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// Windows has no such signal, and Apple's systems an option that std and socket2 set.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
pub(super) const NO_SIGNAL: i32 = 0;

/// Makes a socket that does not block: by one call, where the system has one for it.
pub(super) fn nonblocking(
    domain: Domain,
    kind: Type,
    protocol: Option<Protocol>,
) -> io::Result<socket2::Socket> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return socket2::Socket::new(domain, kind.nonblocking(), protocol);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let socket = socket2::Socket::new(domain, kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Accepts a connection, as a socket that is neither blocking nor inherited.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn accept(io: &BorrowedIo<'_>) -> io::Result<(OwnedIo, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};

    // By one call instead of three.
    let (io, address) = acceptfrom_with(io, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let address = address.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((io, SocketAddr::try_from(address)?))
}

/// Accepts a connection, as a socket that is neither blocking nor inherited.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn accept(io: &BorrowedIo<'_>) -> io::Result<(OwnedIo, SocketAddr)> {
    let (socket, address) = policy_core::peer::accept(io)?;
    // macOS gives a peer that has gone already without an address.
    if address.len() == 0 {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    socket.set_nonblocking(true)?;
    Ok((socket.into(), super::socket::internet(address)?))
}

/// Returns how long a connection may be idle before its peer is asked.
#[cfg(unix)]
pub(in crate::net) fn keepalive_time(
    socket: &socket2::SockRef<'_>,
) -> io::Result<std::time::Duration> {
    socket.tcp_keepalive_time()
}

/// Asks what an operation would not block for.
#[cfg(unix)]
pub(super) fn readiness(io: &BorrowedIo<'_>, interests: Interests) -> io::Result<Ready> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    // The peer's end, where the system tells it from bytes.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    const READ_CLOSED: PollFlags = PollFlags::RDHUP;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    const READ_CLOSED: PollFlags = PollFlags::empty();

    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN | READ_CLOSED, interests.is_readable());
    flags.set(PollFlags::OUT, interests.is_writable());
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(io, flags)];
    poll(&mut asked, Some(&now))?;
    let said = asked.first().map_or(PollFlags::empty(), PollFd::revents);
    if said.contains(PollFlags::NVAL) {
        return Err(rustix::io::Errno::BADF.into());
    }
    // An end and an error are told whatever was asked for.
    let (ended, error) = (said.contains(PollFlags::HUP), said.contains(PollFlags::ERR));
    Ok(Ready {
        readable: said.contains(PollFlags::IN) || (error && interests.is_readable()),
        writable: said.contains(PollFlags::OUT) || (error && interests.is_writable()),
        read_closed: ended || said.intersects(READ_CLOSED),
        write_closed: ended,
        error,
    })
}

/// Makes of a send's error what it is called elsewhere.
#[cfg(unix)]
pub(in crate::net) fn send_error(error: io::Error) -> io::Error {
    error
}
