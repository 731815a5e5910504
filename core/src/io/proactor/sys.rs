//! `read` and `write` into buffers that are not yet initialised, which std has not.
#![allow(unsafe_code, reason = "the system fills buffers that are not yet initialised")]

use std::ffi::c_int;
#[cfg(target_os = "linux")]
use std::ffi::c_long;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::slice;

use libc::iovec;

use crate::{Buffer, Operation};

/// The most that one call takes; what is left over makes it a short one.
const MOST: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocking {
    /// As the open file is.
    AsItIs,
    /// Not at all; EOPNOTSUPP where the system can't do that.
    No,
}

/// Performs an operation as the open file is: what would block does.
pub(super) fn perform(operation: &mut Operation, fd: BorrowedFd<'_>) -> io::Result<usize> {
    match operation {
        Operation::Read { buffer, at } => read(fd, slice::from_mut(buffer), *at, Blocking::AsItIs),
        Operation::ReadVectored { buffers, at } => read(fd, buffers, *at, Blocking::AsItIs),
        Operation::Write { buffer, at } => {
            write(fd, slice::from_ref(buffer), *at, Blocking::AsItIs)
        }
        Operation::WriteVectored { buffers, at } => write(fd, buffers, *at, Blocking::AsItIs),
        Operation::Recv { .. }
        | Operation::Send { .. }
        | Operation::RecvVectored { .. }
        | Operation::SendVectored { .. }
        | Operation::RecvFrom { .. }
        | Operation::SendTo { .. }
        | Operation::Accept { .. }
        | Operation::Connect { .. } => Err(io::Error::from_raw_os_error(libc::ENOTSOCK)),
    }
}

pub(super) fn read(
    fd: BorrowedFd<'_>,
    buffers: &mut [Buffer],
    at: Option<u64>,
    blocking: Blocking,
) -> io::Result<usize> {
    let part = |buffer: &mut Buffer| {
        // SAFETY: only the system writes there, and initialises what it writes.
        let room = unsafe { buffer.as_uninit() };
        iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() }
    };
    let filled = match &mut *buffers {
        [one] => vectored(fd, &[part(one)], at, blocking, READ),
        many => {
            let parts: Vec<_> = many.iter_mut().take(MOST).map(part).collect();
            vectored(fd, &parts, at, blocking, READ)
        }
    }?;
    // SAFETY: so much was written, in this order.
    unsafe { Buffer::set_all_filled(buffers, filled) };
    Ok(filled)
}

pub(super) fn write(
    fd: BorrowedFd<'_>,
    buffers: &[Buffer],
    at: Option<u64>,
    blocking: Blocking,
) -> io::Result<usize> {
    let part = |buffer: &Buffer| {
        let bytes = buffer.as_slice();
        iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
    };
    match buffers {
        [one] => vectored(fd, &[part(one)], at, blocking, WRITE),
        many => {
            let parts: Vec<_> = many.iter().take(MOST).map(part).collect();
            vectored(fd, &parts, at, blocking, WRITE)
        }
    }
}

/// Writes at most `most` bytes, of the first buffer that has any.
pub(super) fn write_some(fd: BorrowedFd<'_>, buffers: &[Buffer], most: usize) -> io::Result<usize> {
    let bytes = buffers.iter().map(Buffer::as_slice).find(|bytes| !bytes.is_empty());
    let bytes = bytes.unwrap_or_default();
    let bytes = bytes.get(..most).unwrap_or(bytes);
    let part = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    vectored(fd, &[part], None, Blocking::AsItIs, WRITE)
}

struct Calls {
    plain: unsafe extern "C" fn(c_int, *const iovec, c_int) -> isize,
    positioned: unsafe extern "C" fn(c_int, *const iovec, c_int, libc::off_t) -> isize,
    #[cfg(target_os = "linux")]
    flagged: libc::c_long,
}

const READ: Calls = Calls {
    plain: libc::readv,
    positioned: libc::preadv,
    #[cfg(target_os = "linux")]
    flagged: libc::SYS_preadv2,
};

const WRITE: Calls = Calls {
    plain: libc::writev,
    positioned: libc::pwritev,
    #[cfg(target_os = "linux")]
    flagged: libc::SYS_pwritev2,
};

fn vectored(
    fd: BorrowedFd<'_>,
    parts: &[iovec],
    at: Option<u64>,
    blocking: Blocking,
    calls: Calls,
) -> io::Result<usize> {
    let (fd, first) = (fd.as_raw_fd(), parts.as_ptr());
    // At most `MOST`.
    let count = parts.len() as c_int;
    let done = match (at, blocking) {
        // SAFETY: each part is a buffer of the caller's, borrowed until this returns, of
        // that length, and to be written to if the call is one that reads.
        (None, Blocking::AsItIs) => unsafe { (calls.plain)(fd, first, count) },
        (Some(at), _) => {
            let at = libc::off_t::try_from(at).map_err(|_| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the position is beyond what a file can have; use a smaller one",
                )
            })?;
            // SAFETY: as above.
            unsafe { (calls.positioned)(fd, first, count, at) }
        }
        (None, Blocking::No) => {
            #[cfg(not(target_os = "linux"))]
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
            // By its number: the function is not in every libc that Rust runs on.
            #[cfg(target_os = "linux")]
            // SAFETY: as above; a position of -1 is where the file stands. Each argument is
            // a whole register, as the kernel reads them: the position is two.
            match unsafe {
                const HERE: c_long = -1;
                let (fd, count) = (c_long::from(fd), c_long::from(count));
                let flags = c_long::from(libc::RWF_NOWAIT);
                libc::syscall(calls.flagged, fd, first, count, HERE, HERE, flags)
            } {
                -1 => {
                    let error = io::Error::last_os_error();
                    // Neither a system before the flag nor a filter of system calls.
                    return Err(match error.raw_os_error() {
                        Some(libc::ENOSYS | libc::EINVAL | libc::EPERM) => {
                            io::Error::from_raw_os_error(libc::EOPNOTSUPP)
                        }
                        _ => error,
                    });
                }
                done => done as isize,
            }
        }
    };
    match usize::try_from(done) {
        Ok(done) => Ok(done),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
