//! What all streams can do, for types with a method `socket`.

/// Makes the methods that streams of all kinds have.
macro_rules! stream_calls {
    ($type:ident) => {
        impl $type {
            /// Reads what is there without taking it. Cancel safe.
            ///
            /// # Errors
            /// Those of a read.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// let mut first = [0];
            /// if stream.peek(&mut first).await? == 0 {
            ///     println!("the end");
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub async fn peek(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                let socket = self.socket();
                let op = |io: &$crate::io::BorrowedIo<'_>| $crate::net::socket::peek(io, buf);
                socket.with(::policy_core::Interest::Readable, op).await
            }

            /// Waits until the stream is ready in this direction: to be read, that is also
            /// an end or an error. Cancel safe.
            ///
            /// # Errors
            /// If it can't be waited for here.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// stream.ready(policy::Interest::Writable).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub async fn ready(&self, interest: ::policy_core::Interest) -> ::std::io::Result<()> {
                self.socket().ready(interest).await
            }

            /// Waits until a read would not wait; see [`ready`](Self::ready).
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// stream.readable().await?;
            /// println!("{:?}", stream.try_read(&mut [0; 64]));
            /// # Ok(())
            /// # }
            /// ```
            pub async fn readable(&self) -> ::std::io::Result<()> {
                self.ready(::policy_core::Interest::Readable).await
            }

            /// Waits until a write would not wait; see [`ready`](Self::ready).
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// stream.writable().await?;
            /// println!("{:?}", stream.try_write(b"hello"));
            /// # Ok(())
            /// # }
            /// ```
            pub async fn writable(&self) -> ::std::io::Result<()> {
                self.ready(::policy_core::Interest::Writable).await
            }

            /// Reads what is there, without waiting.
            ///
            /// # Errors
            /// [`WouldBlock`](::std::io::ErrorKind::WouldBlock), if there is nothing.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// match stream.try_read(&mut [0; 64]) {
            ///     Ok(len) => println!("{len} bytes"),
            ///     Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => println!("none"),
            ///     Err(error) => return Err(error),
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_read(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::recv(io, buf))
            }

            /// Writes what there is room for, without waiting.
            ///
            /// # Errors
            /// [`WouldBlock`](::std::io::ErrorKind::WouldBlock), if there is none.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// let written = stream.try_write(b"hello")?;
            /// println!("{written} of 5 bytes");
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_write(&self, buf: &[u8]) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::send(io, buf))
            }

            /// As [`try_write`](Self::try_write), from several buffers.
            ///
            /// # Errors
            /// As [`try_write`](Self::try_write).
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// use std::io::IoSlice;
            ///
            /// stream.try_write_vectored(&[IoSlice::new(b"hello, "), IoSlice::new(b"world")])?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_write_vectored(
                &self,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::send_vectored(io, bufs))
            }

            /// Ends one direction or both, for all who share the connection.
            ///
            /// # Errors
            /// [`NotConnected`](::std::io::ErrorKind::NotConnected), if the peer has gone.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// stream.shutdown(std::net::Shutdown::Write)?; // the peer reads the end
            /// # Ok(())
            /// # }
            /// ```
            pub fn shutdown(&self, how: ::std::net::Shutdown) -> ::std::io::Result<()> {
                self.socket().as_ref().shutdown(how)
            }

            /// Takes the error that is pending on the socket.
            ///
            /// # Errors
            /// What the system says.
            ///
            /// ```
            #[doc = stream_calls!(@example $type)]
            /// assert!(stream.take_error()?.is_none());
            /// # Ok(())
            /// # }
            /// ```
            pub fn take_error(&self) -> ::std::io::Result<Option<::std::io::Error>> {
                self.socket().as_ref().take_error()
            }
        }
    };
    (@example $type:ident) => {
        concat!(
            "# async fn example(stream: &policy::net::",
            stringify!($type),
            ") -> std::io::Result<()> {"
        )
    };
}
