//! What a child finds on its standard input, all of it there from the beginning: so
//! whoever starts it need not write while it runs, and can't be in its way.

use std::io;
use std::os::fd::OwnedFd;

/// A file in memory, without a name. It holds as much as may be, and reads as a file does.
///
/// # Errors
/// If there are no descriptors left, or no memory.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(in crate::process) fn open(input: &[u8]) -> io::Result<OwnedFd> {
    use std::fs::File;
    use std::io::{Seek, Write};

    use rustix::fs::{MemfdFlags, memfd_create};

    let mut file = File::from(memfd_create("policy-input", MemfdFlags::CLOEXEC)?);
    file.write_all(input)?;
    file.rewind()?;
    crate::process::sys::above_standard(file.into())
}

/// A pipe, and a thread that fills it. No file with a name: what is given to a program in
/// this way is often a secret.
///
/// # Errors
/// If there are no descriptors left, or there can be no thread.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(in crate::process) fn open(input: &[u8]) -> io::Result<OwnedFd> {
    use std::fs::File;
    use std::io::Write;

    use rustix::io::{FdFlags, fcntl_setfd};

    let (read, write) = rustix::pipe::pipe()?;
    fcntl_setfd(&read, FdFlags::CLOEXEC)?;
    fcntl_setfd(&write, FdFlags::CLOEXEC)?;
    let (mut pipe, input) = (File::from(write), input.to_vec());
    std::thread::Builder::new().name("policy-input".into()).spawn(move || {
        // SIGPIPE too, whatever the program does with that.
        crate::process::sys::block_signals();
        // A child that reads no more is none of our business.
        let _unread = pipe.write_all(&input);
    })?;
    crate::process::sys::above_standard(read)
}
