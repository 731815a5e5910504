//! Buffers as compio's operations take them.
#![allow(unsafe_code, reason = "memory that is not yet filled is lent to the system")]

use std::mem::MaybeUninit;

use compio_buf::{IoBuf, IoBufMut, SetLen};
use policy_core::Buffer;

/// A buffer that an operation of compio's owns until the system has let go of it.
pub(super) struct Held(Buffer);

impl Held {
    pub(super) fn new(buffer: Buffer) -> Self {
        Self(buffer)
    }

    pub(super) fn into_buffer(self) -> Buffer {
        self.0
    }
}

impl IoBuf for Held {
    fn as_init(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl IoBufMut for Held {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: compio hands this to system calls that read into it, which write
        // initialised bytes only.
        unsafe { self.0.as_uninit() }
    }
}

impl SetLen for Held {
    unsafe fn set_len(&mut self, len: usize) {
        // SAFETY: the caller says that so many are initialised.
        unsafe { self.0.set_filled(len) };
    }
}

/// Fills buffers with zeros up to their capacities: compio's `ReadVectoredAt` reads into
/// the initialised parts only (0.12.5).
#[cfg(unix)]
pub(super) fn initialised(mut buffers: Vec<Buffer>) -> (Vec<Buffer>, Lengths) {
    let lengths = buffers
        .iter_mut()
        .map(|buffer| {
            let (len, capacity) = (buffer.as_slice().len(), buffer.capacity());
            // SAFETY: initialised bytes are written, behind those that are there.
            let room = unsafe { buffer.as_uninit() };
            room.iter_mut().skip(len).for_each(|byte| _ = byte.write(0));
            filled(buffer, capacity);
            len
        })
        .collect();
    (buffers, Lengths(lengths))
}

/// How much was in each buffer.
#[cfg(unix)]
pub(super) struct Lengths(Vec<usize>);

#[cfg(unix)]
impl Lengths {
    /// Makes the buffers as long as they were.
    pub(super) fn restore(self, buffers: &mut [Buffer]) {
        for (buffer, len) in buffers.iter_mut().zip(self.0) {
            filled(buffer, len);
        }
    }
}

/// Says that a read has ended which filled the first `len` bytes.
pub(super) fn filled(buffer: &mut Buffer, len: usize) {
    // SAFETY: the system has written that many bytes from the beginning of the buffer,
    // it is the result of the read that compio gave this buffer to; or `initialised` has
    // written more.
    unsafe { buffer.set_filled(len) };
}

/// The same of a read into several buffers.
pub(super) fn all_filled(buffers: &mut [Buffer], len: usize) {
    // SAFETY: as above, one buffer after the other.
    unsafe { Buffer::set_all_filled(buffers, len) };
}
