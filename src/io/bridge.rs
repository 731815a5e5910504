//! The traits of tokio and hyper, for whatever reads and writes here.
#![cfg_attr(
    not(any(feature = "tokio-io", feature = "hyper")),
    allow(dead_code, unused_macros, reason = "there is nobody to bridge to")
)]
#![allow(unsafe_code, reason = "their buffers are memory that is not initialised yet")]

use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

/// Reading into memory that need not be initialised.
pub(crate) trait PollRead {
    /// Reads. The first bytes of `buf`, as many as this returns, are initialised then, and
    /// none was made uninitialised: what is below relies on it, so it is of this crate only,
    /// and the number is that of the call that filled them. It is never one that came by a
    /// trait which others implement: see `SharedSource::poll_io`.
    fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>>;
}

/// Initialises a buffer, for a reader that needs that.
pub(crate) fn initialised(buf: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    buf.fill(MaybeUninit::new(0));
    // SAFETY: all of it was written to, just now.
    unsafe { &mut *(buf as *mut [MaybeUninit<u8>] as *mut [u8]) }
}

#[cfg(feature = "tokio-io")]
pub(crate) fn read_tokio(
    reader: &mut impl PollRead,
    cx: &mut Context<'_>,
    buf: &mut tokio::io::ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: `PollRead` makes no byte uninitialised.
    let unfilled = unsafe { buf.unfilled_mut() };
    reader.poll_read_uninit(cx, unfilled).map_ok(|read| {
        // SAFETY: `PollRead` has initialised so many.
        unsafe { buf.assume_init(read) };
        buf.advance(read);
    })
}

#[cfg(feature = "hyper")]
pub(crate) fn read_hyper(
    reader: &mut impl PollRead,
    cx: &mut Context<'_>,
    mut buf: ::hyper::rt::ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: `PollRead` makes no byte uninitialised.
    let unfilled = unsafe { buf.as_mut() };
    reader.poll_read_uninit(cx, unfilled).map_ok(|read| {
        // SAFETY: `PollRead` has initialised so many.
        unsafe { buf.advance(read) };
    })
}

/// Implements the reading traits of tokio and hyper, for types with `PollRead`.
macro_rules! bridge_read {
    ($($type:ty),+ $(,)?) => {$(
        #[cfg(feature = "tokio-io")]
        impl ::tokio::io::AsyncRead for $type {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut ::tokio::io::ReadBuf<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::bridge::read_tokio(self.get_mut(), cx, buf)
            }
        }

        #[cfg(feature = "hyper")]
        impl ::hyper::rt::Read for $type {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: ::hyper::rt::ReadBufCursor<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::io::bridge::read_hyper(self.get_mut(), cx, buf)
            }
        }
    )+};
}

/// Implements the writing traits of tokio and hyper, for types with that of futures-io.
macro_rules! bridge_write {
    ($($type:ty),+ $(,)?) => {$(
        #[cfg(feature = "tokio-io")]
        impl ::tokio::io::AsyncWrite for $type {
            bridge_write!(@calls);
        }

        #[cfg(feature = "hyper")]
        impl ::hyper::rt::Write for $type {
            bridge_write!(@calls);
        }
    )+};
    // The two have the same methods.
    (@calls) => {
        fn poll_write(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            buf: &[u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            ::futures_io::AsyncWrite::poll_write(self, cx, buf)
        }

        fn poll_flush(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            ::futures_io::AsyncWrite::poll_flush(self, cx)
        }

        fn poll_shutdown(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            ::futures_io::AsyncWrite::poll_close(self, cx)
        }

        fn poll_write_vectored(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            bufs: &[::std::io::IoSlice<'_>],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            ::futures_io::AsyncWrite::poll_write_vectored(self, cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }
    };
}
