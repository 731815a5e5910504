//! Who is at the other end.
#![cfg_attr(
    not(any(target_os = "linux", target_os = "android")),
    allow(unsafe_code, reason = "`getpeereid`, which no safe crate wraps")
)]

use std::io;

use crate::io::OwnedIo;

/// The process at the other end of a stream, when it connected.
///
/// ```
/// let (a, _b) = policy::net::UnixStream::pair()?;
/// let peer: policy::net::unix::UCred = a.peer_cred()?;
/// println!("user {}, group {}", peer.uid(), peer.gid());
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
    ///
    /// ```
    /// let (a, _b) = policy::net::UnixStream::pair()?;
    /// if let Some(pid) = a.peer_cred()?.pid() {
    ///     assert_eq!(pid, std::process::id() as i32);
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Returns the effective user.
    ///
    /// ```
    /// let (a, b) = policy::net::UnixStream::pair()?;
    /// assert_eq!(a.peer_cred()?.uid(), b.peer_cred()?.uid());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the effective group.
    ///
    /// ```
    /// let (a, b) = policy::net::UnixStream::pair()?;
    /// assert_eq!(a.peer_cred()?.gid(), b.peer_cred()?.gid());
    /// # std::io::Result::Ok(())
    /// ```
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
    use std::os::fd::AsRawFd;

    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open while it is borrowed, and the call writes to the two
    // numbers, which are of its types, and keeps neither.
    if unsafe { libc::getpeereid(io.as_raw_fd(), &mut uid, &mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred { pid: None, uid, gid })
}
