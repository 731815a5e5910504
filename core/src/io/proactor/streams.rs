//! Reads and writes of pipes, terminals and devices, each tried once, without blocking.
//!
//! Whether a read of a pipe blocks is a property of the open file, which a terminal or
//! an inherited pipe shares with other processes. So it is not changed. One that does
//! not block already is asked by `RWF_NOWAIT` (Linux), or asked first whether it is
//! ready.

use std::io;
use std::os::fd::BorrowedFd;
use std::slice;

use super::sys::{self, Blocking};
use crate::{Buffer, Interest, Operation, os};

pub(super) fn attempt(operation: &mut Operation, fd: BorrowedFd<'_>) -> io::Result<usize> {
    match operation {
        Operation::Read { buffer, at: None } => read(fd, slice::from_mut(buffer)),
        Operation::ReadVectored { buffers, at: None } => read(fd, buffers),
        Operation::Write { buffer, at: None } => write(fd, slice::from_ref(buffer)),
        Operation::WriteVectored { buffers, at: None } => write(fd, buffers),
        // With a position, or for sockets: the system says what is wrong.
        other => sys::perform(other, fd),
    }
}

/// Returns true for the answer of [`attempt`] that only a thread may try.
pub(super) fn may_block(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EOPNOTSUPP)
}

fn read(fd: BorrowedFd<'_>, buffers: &mut [Buffer]) -> io::Result<usize> {
    if os::is_non_blocking(fd)? {
        return sys::read(fd, buffers, None, Blocking::AsItIs);
    }
    match sys::read(fd, buffers, None, Blocking::No) {
        Err(error) if may_block(&error) => {
            os::is_ready(fd, Interest::Readable)?;
            // Who else reads from it may have taken what there was, and then this
            // waits: no system before that flag can do better.
            sys::read(fd, buffers, None, Blocking::AsItIs)
        }
        result => result,
    }
}

fn write(fd: BorrowedFd<'_>, buffers: &[Buffer]) -> io::Result<usize> {
    if os::is_non_blocking(fd)? {
        return sys::write(fd, buffers, None, Blocking::AsItIs);
    }
    match sys::write(fd, buffers, None, Blocking::No) {
        Err(error) if may_block(&error) && os::sort(fd) == os::Sort::Pipe => {
            os::is_ready(fd, Interest::Writable)?;
            // A pipe that has room has it for so much.
            sys::write_some(fd, buffers, libc::PIPE_BUF)
        }
        result => result,
    }
}
