//! Buffers of bytes, lent to calls that take uninitialised memory too.
#![allow(
    unsafe_code,
    reason = "socket2 takes uninitialised buffers only, and promises to leave initialised ones so"
)]

use std::mem::MaybeUninit;

/// Lends `buf` to a `recv`, `recv_from` or `peek` of socket2, and to nothing else.
pub(super) fn uninit(buf: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layout is the same. The one danger is that somebody writes
    // uninitialised bytes, and socket2 documents of `recv` and its kin that they never
    // do, so that "this function can be called using a buffer of type `&mut [u8]`"; that
    // is what the system writes to.
    unsafe { &mut *(buf as *mut [u8] as *mut [MaybeUninit<u8>]) }
}
