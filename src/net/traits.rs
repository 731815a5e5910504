//! The traits of streams, for all types that have a [`Socket`](super::socket::Socket).

/// Implements reading, for types with a method `socket`.
macro_rules! reads {
    ($($type:ty),+ $(,)?) => {$(
        impl ::futures_io::AsyncRead for $type {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket().poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket().poll_read_vectored(cx, bufs)
            }
        }

        impl $crate::io::bridge::PollRead for $type {
            fn poll_read_uninit(
                &mut self,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut [::std::mem::MaybeUninit<u8>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket().poll_read_uninit(cx, buf)
            }
        }

        bridge_read!($type);
    )+};
}

/// Implements writing, for types with a method `socket`.
macro_rules! writes {
    ($($type:ty),+ $(,)?) => {$(
        impl ::futures_io::AsyncWrite for $type {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket().poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket().poll_write_vectored(cx, bufs)
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                _: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                // What is written is the system's.
                ::std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: ::std::pin::Pin<&mut Self>,
                _: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.socket().poll_close()
            }
        }

        bridge_write!($type);
    )+};
}

/// Implements access to the descriptor.
macro_rules! has_descriptor {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::net::settle::sealed::Sealed for $type {}

        impl $crate::net::Settle for $type {
            fn settle_on(
                &self,
                event_loop: &::std::sync::Arc<dyn ::policy_core::EventLoop>,
            ) -> Result<(), ::policy_core::Error> {
                self.socket().settle_on(event_loop)
            }
        }

        #[cfg(unix)]
        impl ::std::os::fd::AsFd for $type {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                ::std::os::fd::AsFd::as_fd(self.socket().io())
            }
        }

        #[cfg(unix)]
        impl ::std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(self.socket().io())
            }
        }

        #[cfg(windows)]
        impl ::std::os::windows::io::AsSocket for $type {
            fn as_socket(&self) -> ::std::os::windows::io::BorrowedSocket<'_> {
                ::std::os::windows::io::AsSocket::as_socket(self.socket().io())
            }
        }

        #[cfg(windows)]
        impl ::std::os::windows::io::AsRawSocket for $type {
            fn as_raw_socket(&self) -> ::std::os::windows::io::RawSocket {
                ::std::os::windows::io::AsRawSocket::as_raw_socket(self.socket().io())
            }
        }
    )+};
}
