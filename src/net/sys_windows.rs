//! What socket2 does not ask Windows.
#![allow(unsafe_code, reason = "two calls of Winsock, which fill what they are lent")]

use std::io;
use std::os::windows::io::AsRawSocket;
use std::time::Duration;

use policy_core::Interest;
use socket2::SockRef;
use windows_sys::Win32::Networking::WinSock::{
    IPPROTO_TCP, POLLRDNORM, POLLWRNORM, TCP_KEEPIDLE, WSAESHUTDOWN, WSAPOLLFD, WSAPoll, getsockopt,
};

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

/// Returns true if an operation would not block.
pub(in crate::net) fn is_ready(io: &BorrowedIo<'_>, interest: Interest) -> io::Result<bool> {
    let events = match interest {
        Interest::Readable => POLLRDNORM,
        Interest::Writable => POLLWRNORM,
    };
    let mut asked = WSAPOLLFD { fd: io.as_raw_socket() as usize, events, revents: 0 };
    // SAFETY: one entry, as is said, which outlives the call; it does not wait.
    let ready = unsafe { WSAPoll(&mut asked, 1, 0) };
    // An error or an end is told whatever was asked for, and is ready.
    if ready < 0 { Err(io::Error::last_os_error()) } else { Ok(ready > 0) }
}

/// Makes of a send's error what it is called elsewhere: a stream whose writing end was
/// shut is EPIPE on Unix, and for std nothing that has a name here.
pub(in crate::net) fn send_error(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(WSAESHUTDOWN) => io::Error::new(io::ErrorKind::BrokenPipe, error),
        _ => error,
    }
}
