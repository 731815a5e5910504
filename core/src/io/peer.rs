//! How connections begin, and how a peer can make an accept or a receive fail, without a fault of
//! this side. Every loop has to know this, whether it waits for readiness or completion.

use std::io;

use socket2::{SockAddr, SockRef, Socket, Type};

use crate::os::BorrowedIo;

/// Accepts a connection, close-on-exec, and returns it with the address of the peer.
///
/// # Errors
/// Returns the error of the system; see [`is_of_one_connection`].
pub fn accept(io: &BorrowedIo<'_>) -> io::Result<(Socket, SockAddr)> {
    let listener = SockRef::from(io);
    #[cfg(not(target_vendor = "apple"))]
    return listener.accept();
    // By hand: socket2 fails there if the peer has gone already, since nothing can be set
    // on such a socket any more.
    #[cfg(target_vendor = "apple")]
    {
        let (connection, peer) = listener.accept_raw()?;
        connection.set_cloexec(true)?;
        let _gone = connection.set_nosigpipe(true);
        Ok((connection, peer))
    }
}

/// Begins to connect a socket that is non-blocking, and returns true if that was all.
///
/// # Errors
/// Returns the error of the system, but none for an attempt that goes on by itself.
pub fn begin_connect(socket: &SockRef<'_>, to: &SockAddr) -> io::Result<bool> {
    #[cfg(unix)]
    let goes_on = |error: &io::Error| {
        matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR))
    };
    #[cfg(windows)]
    let goes_on = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    match socket.connect(to) {
        Ok(()) => Ok(true),
        Err(error) if goes_on(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says how a connection came out.
///
/// # Errors
/// Returns the error of the system, and `WouldBlock` if the connection is not made yet.
pub fn is_connected(io: &BorrowedIo<'_>) -> io::Result<()> {
    let socket = SockRef::from(io);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(()),
        // Readiness that comes too early is told apart by this.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// Returns true if an accept failed because of a single connection, whose peer has gone or is
/// unreachable: the caller should accept the next one.
///
/// According to accept(2), Linux passes pending errors of a new socket to the caller. Two of its
/// list are not here: EOPNOTSUPP, which every accept on a datagram socket returns, and EPERM, with
/// which a security module refuses all connections of a process.
pub fn is_of_one_connection(error: &io::Error) -> bool {
    // The latter is Windows' word for the former.
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return true;
    }
    #[cfg(unix)]
    const CODES: &[i32] = &[
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ETIMEDOUT,
        #[cfg(any(target_os = "linux", target_os = "android"))]
        libc::ENONET,
    ];
    #[cfg(not(unix))]
    const CODES: &[i32] = &[];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

/// Returns true if a receive failed because a datagram that this socket *sent* earlier did not
/// arrive. Windows reports that to the next receive, whoever its sender is: any peer could end a
/// server by closing its socket. On a connected socket, which has only one peer, the error is
/// reported, as on other systems.
pub fn is_of_earlier_datagram(io: &BorrowedIo<'_>, error: &io::Error) -> bool {
    // WSAENETRESET, WSAECONNRESET.
    if !cfg!(windows) || !matches!(error.raw_os_error(), Some(10052 | 10054)) {
        return false;
    }
    let socket = SockRef::from(io);
    socket.r#type().is_ok_and(|kind| kind == Type::DGRAM) && socket.peer_addr().is_err()
}
