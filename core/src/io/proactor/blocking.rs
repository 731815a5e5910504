//! Operations on files, on a thread where they may block.

use std::io;

use crate::{Operation, Resource};

#[cfg(unix)]
pub(super) fn perform(resource: &Resource, operation: &mut Operation) -> io::Result<usize> {
    use std::os::fd::AsFd;

    loop {
        match super::sys::perform(operation, resource.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(windows)]
#[allow(unsafe_code, reason = "std says how much of a buffer it has filled")]
pub(super) fn perform(resource: &Resource, operation: &mut Operation) -> io::Result<usize> {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::windows::fs::FileExt;

    use crate::Buffer;

    let Some(handle) = resource.handle() else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let mut file = File::from(handle.try_clone()?);
    let mut read = |buffer: &mut Buffer, at: Option<u64>| {
        // std reads into what is initialised only.
        let mut bytes = vec![0; buffer.capacity()];
        let filled = match at {
            Some(at) => file.seek_read(&mut bytes, at),
            None => file.read(&mut bytes),
        }?;
        // SAFETY: initialised bytes are written, and so many.
        unsafe {
            for (room, byte) in buffer.as_uninit().iter_mut().zip(bytes.iter().take(filled)) {
                room.write(*byte);
            }
            buffer.set_filled(filled);
        }
        Ok(filled)
    };
    match operation {
        Operation::Read { buffer, at } => read(buffer, *at),
        Operation::ReadVectored { buffers, at } => {
            let mut total = 0;
            for buffer in buffers {
                let filled = read(buffer, at.map(|at| at + total as u64))?;
                total += filled;
                if filled < buffer.capacity() {
                    break;
                }
            }
            Ok(total)
        }
        Operation::Write { buffer, at: Some(at) } => file.seek_write(buffer.as_slice(), *at),
        Operation::Write { buffer, at: None } => file.write(buffer.as_slice()),
        Operation::WriteVectored { buffers, at } => {
            let first = buffers.iter().map(Buffer::as_slice).find(|bytes| !bytes.is_empty());
            let first = first.unwrap_or_default();
            match at {
                Some(at) => file.seek_write(first, *at),
                None => file.write(first),
            }
        }
        _ => Err(io::Error::from_raw_os_error(10038)), // WSAENOTSOCK
    }
}
