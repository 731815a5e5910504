//! The credentials of a peer.
#![allow(unsafe_code, reason = "who a peer is, is asked by calls that no safe crate wraps")]

use std::io;

use crate::io::OwnedIo;

/// The credentials of the process at the other end of a stream, from when it connected.
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
    /// Returns the process id, if the system reports it (Linux).
    ///
    /// Returns `None` on Linux, too, if the peer has no process id here: it is in another pid
    /// namespace (outside our container), or there is no peer.
    ///
    /// This proves nothing: the process may have passed the stream on, or may be gone and its id
    /// reused.
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

    /// Returns the effective user id.
    ///
    /// ```
    /// let (a, b) = policy::net::UnixStream::pair()?;
    /// assert_eq!(a.peer_cred()?.uid(), b.peer_cred()?.uid());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the effective group id.
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

// Not by rustix: its `Pid` is never 0, and it takes the kernel's word for that, unchecked.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of_peer(io: &OwnedIo) -> io::Result<UCred> {
    use std::os::fd::AsRawFd;

    // What the kernel says of nobody, should it fill less than all of it.
    let mut cred = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed; the call writes at most `len`
    // bytes to `cred`, for whose three numbers any bytes will do, and keeps neither.
    let result = unsafe {
        libc::getsockopt(
            io.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(UCred { pid: (cred.pid > 0).then_some(cred.pid), uid: cred.uid, gid: cred.gid })
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
