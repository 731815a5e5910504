//! Operations on sockets, each tried once, without blocking and without SIGPIPE.
#![allow(unsafe_code, reason = "the system fills buffers that are not yet initialised")]

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;

use socket2::{MaybeUninitSlice, SockRef};

use crate::os::{BorrowedIo, OwnedIo};
use crate::peer;
use crate::{Address, Buffer, Operation};

/// The mode of the socket is left alone where a single call can be told.
#[cfg(unix)]
const RECV: c_int = libc::MSG_DONTWAIT;
#[cfg(unix)]
const SEND: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
#[cfg(windows)]
const RECV: c_int = 0;
#[cfg(windows)]
const SEND: c_int = 0;

pub(super) fn attempt(operation: &mut Operation, io: BorrowedIo<'_>) -> io::Result<usize> {
    let socket = SockRef::from(&io);
    match operation {
        Operation::Read { at: Some(_), .. }
        | Operation::Write { at: Some(_), .. }
        | Operation::ReadVectored { at: Some(_), .. }
        | Operation::WriteVectored { at: Some(_), .. } => Err(no_position()),
        Operation::Read { buffer, at: None } | Operation::Recv { buffer } => {
            fill(buffer, |room| socket.recv_with_flags(room, RECV))
        }
        Operation::ReadVectored { buffers, at: None } | Operation::RecvVectored { buffers } => {
            // SAFETY: the system initialises what it writes, and says how much that is.
            unsafe {
                let mut room: Vec<_> = buffers
                    .iter_mut()
                    .map(|buffer| MaybeUninitSlice::new(buffer.as_uninit()))
                    .collect();
                let (filled, _) = socket.recv_vectored_with_flags(&mut room, RECV)?;
                Buffer::set_all_filled(buffers, filled);
                Ok(filled)
            }
        }
        Operation::RecvFrom { buffer, from } => fill(buffer, |room| {
            let (filled, sender) = loop {
                match socket.recv_from_with_flags(room, RECV) {
                    Err(error) if peer::is_of_earlier_datagram(&io, &error) => {}
                    received => break received?,
                }
            };
            *from = Some(Address::of_sender(io, Some(&sender)));
            Ok(filled)
        }),
        Operation::Write { buffer, at: None } | Operation::Send { buffer } => {
            socket.send_with_flags(buffer.as_slice(), SEND)
        }
        Operation::WriteVectored { buffers, at: None } | Operation::SendVectored { buffers } => {
            let bytes: Vec<_> =
                buffers.iter().map(|buffer| IoSlice::new(buffer.as_slice())).collect();
            socket.send_vectored_with_flags(&bytes, SEND)
        }
        Operation::SendTo { buffer, to } => {
            socket.send_to_with_flags(buffer.as_slice(), &to.to_system()?, SEND)
        }
        Operation::Accept { accepted } => {
            let (connection, peer) = peer::accept(&io)?;
            #[cfg(windows)]
            connection.set_nonblocking(false)?;
            *accepted = Some((connection.into(), Address::from_system(&peer)));
            Ok(0)
        }
        Operation::Connect { to } => match peer::begin_connect(&socket, &to.to_system()?)? {
            true => Ok(0),
            false => Err(io::ErrorKind::WouldBlock.into()),
        },
    }
}

pub(super) fn set_non_blocking(io: &OwnedIo) -> io::Result<()> {
    SockRef::from(io).set_nonblocking(true)
}

fn fill(
    buffer: &mut Buffer,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
) -> io::Result<usize> {
    // SAFETY: the system initialises what it writes, and says how much that is.
    unsafe {
        let filled = read(buffer.as_uninit())?;
        buffer.set_filled(filled);
        Ok(filled)
    }
}

fn no_position() -> io::Error {
    #[cfg(unix)]
    return io::Error::from_raw_os_error(libc::ESPIPE);
    #[cfg(windows)]
    return io::ErrorKind::NotSeekable.into();
}
