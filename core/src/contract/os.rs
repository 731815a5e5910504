//! The handles that a reactor can wait for, under one name on all systems: a descriptor on Unix, a
//! socket on Windows.
//!
//! ```
//! use policy_core::os::{BorrowedIo, OwnedIo, borrow};
//!
//! fn lend(io: &OwnedIo) -> BorrowedIo<'_> {
//!     borrow(io)
//! }
//! # let _lend = lend;
//! ```
#![allow(unsafe_code, reason = "a number is looked up in the table of descriptors")]

use std::io;
#[cfg(unix)]
use std::mem::MaybeUninit;

use crate::Interest;

#[cfg(unix)]
pub use std::os::fd::{
    AsFd as AsIo, AsRawFd as AsRawIo, BorrowedFd as BorrowedIo, OwnedFd as OwnedIo, RawFd as RawIo,
};
#[cfg(windows)]
pub use std::os::windows::io::{
    AsRawSocket as AsRawIo, AsSocket as AsIo, BorrowedSocket as BorrowedIo, OwnedSocket as OwnedIo,
    RawSocket as RawIo,
};

/// Borrows the descriptor (`as_fd` on Unix) or the socket (`as_socket` on Windows).
///
/// ```
/// # #[cfg(unix)] {
/// use std::os::fd::{AsRawFd, OwnedFd};
/// use std::os::unix::net::UnixStream;
///
/// let stream = UnixStream::pair().unwrap().0;
/// let number = stream.as_raw_fd();
/// assert_eq!(policy_core::os::borrow(&OwnedFd::from(stream)).as_raw_fd(), number);
/// # }
/// ```
pub fn borrow<T: AsIo + ?Sized>(io: &T) -> BorrowedIo<'_> {
    #[cfg(unix)]
    return io.as_fd();
    #[cfg(windows)]
    return io.as_socket();
}

/// Returns the descriptor's number (`as_raw_fd` on Unix) or the raw socket (`as_raw_socket` on
/// Windows).
///
/// ```
/// # #[cfg(unix)]
/// assert_eq!(policy_core::os::raw(&std::io::stdout()), 1);
/// ```
pub fn raw<T: AsRawIo + ?Sized>(io: &T) -> RawIo {
    #[cfg(unix)]
    return io.as_raw_fd();
    #[cfg(windows)]
    return io.as_raw_socket();
}

/// Names a descriptor (a socket on Windows): implemented for references to anything that has one,
/// for a borrowed one, and for its number.
///
/// asyncio takes "a file object or an integer file descriptor". This is a trait of its own, because
/// std does not implement `AsRawFd` for references.
///
/// ```
/// # #[cfg(unix)] {
/// use policy_core::os::NamesIo;
/// use std::os::fd::AsFd;
///
/// let stdout = std::io::stdout();
/// assert_eq!((&stdout).raw_io(), 1);
/// assert_eq!(stdout.as_fd().raw_io(), 1);
/// assert_eq!(1.raw_io(), 1);
/// # }
/// ```
pub trait NamesIo {
    /// Returns its number.
    fn raw_io(&self) -> RawIo;
}

impl<T: AsRawIo + ?Sized> NamesIo for &T {
    fn raw_io(&self) -> RawIo {
        raw(*self)
    }
}

impl NamesIo for BorrowedIo<'_> {
    fn raw_io(&self) -> RawIo {
        raw(self)
    }
}

impl NamesIo for RawIo {
    fn raw_io(&self) -> RawIo {
        *self
    }
}

/// Makes a second number for what `io` is a number of.
///
/// The number is taken at its word, as `dup` does: if the caller closes it meanwhile, the copy is of
/// whatever has the number then.
///
/// # Errors
/// Returns EBADF for a number that is not open, and EMFILE at the limit.
///
/// ```
/// # #[cfg(unix)] {
/// let copy = policy_core::os::duplicate(1)?; // of the standard output
/// assert!(policy_core::os::raw(&copy) > 2);
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn duplicate(io: RawIo) -> io::Result<OwnedIo> {
    #[cfg(unix)]
    {
        use std::os::fd::FromRawFd;

        // SAFETY: takes numbers only, and an unknown one is an error. Not by std's
        // `BorrowedFd`, which may not be made of a number that is not open.
        let number = unsafe { libc::fcntl(io, libc::F_DUPFD_CLOEXEC, 3) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, so nobody else's.
        Ok(unsafe { OwnedIo::from_raw_fd(number) })
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::FromRawSocket;

        use windows_sys::Win32::Networking::WinSock;

        let mut info = std::mem::MaybeUninit::<WinSock::WSAPROTOCOL_INFOW>::uninit();
        // SAFETY: there is room for the answer, and an unknown number is an error. Not by
        // std's `BorrowedSocket`, which may not be made of a number that is not open.
        let refused = unsafe {
            WinSock::WSADuplicateSocketW(io as usize, std::process::id(), info.as_mut_ptr())
        };
        if refused != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled, since the call said so, and for this process.
        let number = unsafe {
            let info = info.assume_init();
            WinSock::WSASocketW(
                info.iAddressFamily,
                info.iSocketType,
                info.iProtocol,
                &raw const info,
                0,
                WinSock::WSA_FLAG_OVERLAPPED | WinSock::WSA_FLAG_NO_HANDLE_INHERIT,
            )
        };
        if number == WinSock::INVALID_SOCKET {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, so nobody else's.
        Ok(unsafe { OwnedIo::from_raw_socket(number as RawIo) })
    }
}

/// What sort of thing a descriptor is.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Socket,
    /// A file, a folder or a disk: always ready.
    File,
    Pipe,
    /// A terminal, an event descriptor and the like.
    Other,
}

/// Finds out what sort of thing a descriptor is.
#[cfg(unix)]
pub(crate) fn sort(fd: BorrowedIo<'_>) -> Sort {
    match mode(fd) {
        libc::S_IFSOCK => Sort::Socket,
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Sort::File,
        libc::S_IFIFO => Sort::Pipe,
        _ => Sort::Other,
    }
}

#[cfg(unix)]
fn mode(fd: BorrowedIo<'_>) -> libc::mode_t {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for the answer.
    if unsafe { libc::fstat(raw(&fd), stat.as_mut_ptr()) } != 0 {
        // Out of memory, at most: the descriptor is open.
        return 0;
    }
    // SAFETY: filled, since the call said so.
    unsafe { stat.assume_init() }.st_mode & libc::S_IFMT
}

/// Returns true if operations on the open file do not block.
#[cfg(all(unix, feature = "proactor"))]
pub(crate) fn is_non_blocking(fd: BorrowedIo<'_>) -> io::Result<bool> {
    // SAFETY: takes numbers only.
    match unsafe { libc::fcntl(raw(&fd), libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags & libc::O_NONBLOCK != 0),
    }
}

/// Asks whether something is ready now: 0 if it is. An end and an error count as
/// ready, to read and to write.
///
/// # Errors
/// `WouldBlock` if it is not.
pub(crate) fn is_ready(io: BorrowedIo<'_>, interest: Interest) -> io::Result<usize> {
    #[cfg(unix)]
    let ready = {
        let events = match interest {
            Interest::Readable => libc::POLLIN,
            Interest::Writable => libc::POLLOUT,
        };
        let mut asked = libc::pollfd { fd: raw(&io), events, revents: 0 };
        // SAFETY: one entry, which is there.
        unsafe { libc::poll(&raw mut asked, 1, 0) }
    };
    #[cfg(windows)]
    let ready = {
        use windows_sys::Win32::Networking::WinSock;

        let events = match interest {
            Interest::Readable => WinSock::POLLRDNORM,
            Interest::Writable => WinSock::POLLWRNORM,
        };
        let mut asked = WinSock::WSAPOLLFD { fd: raw(&io) as usize, events, revents: 0 };
        // SAFETY: one entry, which is there.
        unsafe { WinSock::WSAPoll(&raw mut asked, 1, 0) }
    };
    match ready {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        ready if ready > 0 => Ok(0),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Blocks this thread until one of several descriptors is readable, at its end, or broken: at most
/// so many milliseconds; -1 is for ever. Returns true if one is.
///
/// # Errors
/// Returns the error of `poll`, such as an interruption by a signal.
#[cfg(unix)]
#[doc(hidden)]
pub fn wait_readable<const N: usize>(
    fds: [BorrowedIo<'_>; N],
    milliseconds: i32,
) -> io::Result<bool> {
    let mut asked = fds.map(|fd| libc::pollfd { fd: raw(&fd), events: libc::POLLIN, revents: 0 });
    // SAFETY: as many entries as there are. There are few, so the count fits.
    match unsafe { libc::poll(asked.as_mut_ptr(), N as libc::nfds_t, milliseconds) } {
        -1 => Err(io::Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}
