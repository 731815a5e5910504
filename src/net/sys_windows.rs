//! What socket2 does not ask Windows.
#![allow(unsafe_code, reason = "two calls of Winsock, which fill what they are lent")]

use std::io;
use std::os::windows::io::AsRawSocket;
use std::time::Duration;

use socket2::SockRef;
use windows_sys::Win32::Networking::WinSock::{
    IPPROTO_TCP, POLLERR, POLLHUP, POLLNVAL, POLLRDNORM, POLLWRNORM, TCP_KEEPIDLE, WSAESHUTDOWN,
    WSAPOLLFD, WSAPoll, getsockopt,
};

use super::ready::{Interests, Ready};
use crate::io::BorrowedIo;

/// Returns how long a connection may be idle before its peer is asked (Windows 10,
/// version 1709, and later).
pub(in crate::net) fn keepalive_time(socket: &SockRef<'_>) -> io::Result<Duration> {
    let mut seconds = 0_u32;
    let mut size = size_of::<u32>() as i32;
    // SAFETY: the socket is open, as it is borrowed; `seconds` has room for the `size`
    // bytes that may be filled, and both outlive the call.
    let refused = unsafe {
        getsockopt(
            socket.as_raw_socket() as usize,
            IPPROTO_TCP,
            TCP_KEEPIDLE,
            (&raw mut seconds).cast(),
            &mut size,
        )
    };
    if refused != 0 {
        // Winsock's error is the thread's last error.
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::from_secs(seconds.into()))
}

/// Asks what an operation would not block for.
pub(in crate::net) fn readiness(io: &BorrowedIo<'_>, interests: Interests) -> io::Result<Ready> {
    let mut events = 0;
    if interests.is_readable() {
        events |= POLLRDNORM;
    }
    if interests.is_writable() {
        events |= POLLWRNORM;
    }
    let mut asked = WSAPOLLFD { fd: io.as_raw_socket() as usize, events, revents: 0 };
    // SAFETY: one entry, as is said, which outlives the call; it does not wait.
    let ready = unsafe { WSAPoll(&mut asked, 1, 0) };
    if ready < 0 {
        return Err(io::Error::last_os_error());
    }
    let said = |flag| asked.revents & flag != 0;
    // An end and an error are told whatever was asked for.
    let error = said(POLLERR) || said(POLLNVAL);
    Ok(Ready {
        readable: said(POLLRDNORM) || (error && interests.is_readable()),
        writable: said(POLLWRNORM) || (error && interests.is_writable()),
        read_closed: said(POLLHUP),
        write_closed: said(POLLHUP),
        error,
    })
}

/// Makes of a send's error what it is called elsewhere: a stream whose writing end was
/// shut is EPIPE on Unix, and for std nothing that has a name here.
pub(in crate::net) fn send_error(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(WSAESHUTDOWN) => io::Error::new(io::ErrorKind::BrokenPipe, error),
        _ => error,
    }
}
