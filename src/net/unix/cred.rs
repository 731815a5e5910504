//! Who is at the other end.

use std::io;

use crate::io::OwnedIo;

/// The process at the other end of a stream, when it connected.
///
/// ```
/// let (a, _b) = policy::net::UnixStream::pair()?;
/// assert_eq!(a.peer_cred()?.pid(), Some(std::process::id() as i32));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<i32>,
    uid: u32,
    gid: u32,
}

impl UCred {
    /// Returns the process, where the system tells it (Linux).
    ///
    /// Not proof of anything: the process may have passed the stream on, or be gone and
    /// its number given to another.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Returns the effective user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the effective group.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of_peer(io: &OwnedIo) -> io::Result<UCred> {
    let cred = rustix::net::sockopt::socket_peercred(io)?;
    Ok(UCred {
        pid: Some(cred.pid.as_raw_nonzero().get()),
        uid: cred.uid.as_raw(),
        gid: cred.gid.as_raw(),
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn of_peer(io: &OwnedIo) -> io::Result<UCred> {
    let _ = io;
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "peers can't be asked for on this system yet; check who may reach the socket's path",
    ))
}
