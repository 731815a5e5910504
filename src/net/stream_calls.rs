//! What sockets can do, for types with a method `socket`.
//!
//! `$path` is the type as examples name it, below `policy::net`.

/// The first line of an example that has a `stream`.
macro_rules! net_example {
    ($path:expr) => {
        concat!("# async fn example(stream: &policy::net::", $path, ") -> std::io::Result<()> {")
    };
}

/// Makes the method that waits for readiness.
macro_rules! ready_call {
    ($type:ty, $path:expr) => {
        impl $type {
            /// Waits until the socket is ready for one of `interests`, and returns what it is ready
            /// for. After an end or an error it is ready, too. Cancel safe.
            ///
            /// # Errors
            /// Returns an error if it can't wait here.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// use policy::net::Interests;
            ///
            /// let ready = stream.ready(Interests::READABLE | Interests::WRITABLE).await?;
            /// println!("{ready:?}");
            /// # Ok(())
            /// # }
            /// ```
            pub async fn ready(
                &self,
                interests: impl ::std::convert::Into<$crate::net::Interests>,
            ) -> ::std::io::Result<$crate::net::Ready> {
                self.socket().ready(interests.into()).await
            }
        }
    };
}

/// Makes the methods that wait for one direction, as futures and as polls, and those that
/// do what the caller has to do.
macro_rules! wait_calls {
    ($type:ty, $path:expr) => {
        ready_call!($type, $path);

        impl $type {
            /// Polls until a read would not block; see [`ready`](Self::ready).
            ///
            /// # Errors
            /// Returns the errors of [`ready`](Self::ready).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// std::future::poll_fn(|cx| stream.poll_read_ready(cx)).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_read_ready(
                &self,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.socket().poll_ready(cx, $crate::net::Interests::READABLE).map_ok(drop)
            }

            /// Polls until a write would not block; see [`ready`](Self::ready).
            ///
            /// # Errors
            /// Returns the errors of [`ready`](Self::ready).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_write_ready(
                &self,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.socket().poll_ready(cx, $crate::net::Interests::WRITABLE).map_ok(drop)
            }

            /// Calls `op`, an operation of your own on the descriptor, once, and returns its
            /// result.
            ///
            /// tokio remembers readiness, and `try_io` clears it there. Here each wait asks the
            /// system, so this only calls `op()`; it exists for code that moves over from tokio.
            ///
            /// # Errors
            /// Returns the errors of `op`; after [`WouldBlock`](::std::io::ErrorKind::WouldBlock),
            /// wait for readiness again.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// use policy::net::Interests;
            ///
            /// stream.ready(Interests::READABLE).await?;
            /// let done = stream.try_io(Interests::READABLE, || Ok("what reads the descriptor"));
            /// # drop(done);
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_io<R>(
                &self,
                interests: impl ::std::convert::Into<$crate::net::Interests>,
                op: impl FnOnce() -> ::std::io::Result<R>,
            ) -> ::std::io::Result<R> {
                let _: $crate::net::Interests = interests.into();
                op()
            }

            /// Calls `op` whenever the descriptor may be ready for one of `interests`, until `op`
            /// returns anything but [`WouldBlock`](::std::io::ErrorKind::WouldBlock). Cancel safe,
            /// if `op` has no effect when it returns that.
            ///
            /// # Errors
            /// Returns the errors of `op`, and an error if it can't wait here.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// use policy::net::Interests;
            ///
            /// stream.async_io(Interests::WRITABLE, || Ok("what writes the descriptor")).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub async fn async_io<R>(
                &self,
                interests: impl ::std::convert::Into<$crate::net::Interests>,
                mut op: impl FnMut() -> ::std::io::Result<R>,
            ) -> ::std::io::Result<R> {
                let interests = interests.into();
                ::std::future::poll_fn(|cx| self.socket().poll_either(cx, interests, |_| op()))
                    .await
            }
        }
    };
}

/// Makes the methods of whatever is read as a stream.
macro_rules! read_calls {
    ($type:ty, $path:expr) => {
        impl $type {
            /// Reads bytes without removing them from the stream. Cancel safe.
            ///
            /// # Errors
            /// Returns the errors of a read.
            ///
            /// ```
            #[doc = net_example!($path)]
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

            /// Waits until a read would not block; see `ready`.
            ///
            /// # Errors
            /// Returns the errors of `ready`.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// stream.readable().await?;
            /// println!("{:?}", stream.try_read(&mut [0; 64]));
            /// # Ok(())
            /// # }
            /// ```
            pub async fn readable(&self) -> ::std::io::Result<()> {
                self.socket().ready($crate::net::Interests::READABLE).await.map(drop)
            }

            /// Reads bytes that have arrived, without waiting.
            ///
            /// # Errors
            /// Returns [`WouldBlock`](::std::io::ErrorKind::WouldBlock) if none have arrived.
            ///
            /// ```
            #[doc = net_example!($path)]
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

            /// Like `try_read`, into several buffers.
            ///
            /// # Errors
            /// Returns the errors of `try_read`.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// use std::io::IoSliceMut;
            ///
            /// let (mut head, mut body) = ([0; 4], [0; 64]);
            /// let _len = stream.try_read_vectored(&mut [
            ///     IoSliceMut::new(&mut head),
            ///     IoSliceMut::new(&mut body),
            /// ]);
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_read_vectored(
                &self,
                bufs: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::recv_vectored(io, bufs))
            }
        }
    };
}

/// Makes the methods of whatever is written as a stream.
macro_rules! write_calls {
    ($type:ty, $path:expr) => {
        impl $type {
            /// Waits until a write would not block; see `ready`.
            ///
            /// # Errors
            /// Returns the errors of `ready`.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// stream.writable().await?;
            /// println!("{:?}", stream.try_write(b"hello"));
            /// # Ok(())
            /// # }
            /// ```
            pub async fn writable(&self) -> ::std::io::Result<()> {
                self.socket().ready($crate::net::Interests::WRITABLE).await.map(drop)
            }

            /// Writes as many bytes as there is room for, without waiting.
            ///
            /// # Errors
            /// Returns [`WouldBlock`](::std::io::ErrorKind::WouldBlock) if there is no room.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let written = stream.try_write(b"hello")?;
            /// println!("{written} of 5 bytes");
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_write(&self, buf: &[u8]) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::send(io, buf))
            }

            /// Like `try_write`, from several buffers.
            ///
            /// # Errors
            /// Returns the errors of `try_write`.
            ///
            /// ```
            #[doc = net_example!($path)]
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
        }
    };
}

/// Makes the methods that streams of all kinds have.
macro_rules! stream_calls {
    ($type:ty, $path:expr) => {
        wait_calls!($type, $path);
        read_calls!($type, $path);
        write_calls!($type, $path);

        impl $type {
            /// Shuts down one direction or both, for all handles of the connection.
            ///
            /// # Errors
            /// Returns [`NotConnected`](::std::io::ErrorKind::NotConnected) if the peer has gone.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// stream.shutdown(std::net::Shutdown::Write)?; // the peer reads the end
            /// # Ok(())
            /// # }
            /// ```
            pub fn shutdown(&self, how: ::std::net::Shutdown) -> ::std::io::Result<()> {
                self.socket().as_ref().shutdown(how)
            }

            /// Takes the pending error of the socket.
            ///
            /// # Errors
            /// Returns the error of the system if it refuses.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// assert!(stream.take_error()?.is_none());
            /// # Ok(())
            /// # }
            /// ```
            pub fn take_error(&self) -> ::std::io::Result<Option<::std::io::Error>> {
                self.socket().as_ref().take_error()
            }
        }
    };
}

/// Makes what streams have in common. They have a field `socket`, and methods `local_addr` and
/// `peer_addr`; `$std` is std's type.
macro_rules! stream {
    ($stream:ident, $path:literal, $std:ty) => {
        impl $stream {
            /// Converts a std stream and makes it non-blocking.
            ///
            /// # Errors
            /// Returns an error if the system refuses.
            ///
            /// ```
            #[doc = concat!("# fn example(stream: ", stringify!($std), ") -> std::io::Result<()> {")]
            #[doc = concat!("let stream = policy::net::", $path, "::from_std(stream)?;")]
            /// # let _stream = stream;
            /// # Ok(())
            /// # }
            /// ```
            pub fn from_std(stream: $std) -> io::Result<Self> {
                Ok(Self { socket: Socket::new(stream)? })
            }

            /// Converts into a std stream, which blocks and belongs to no loop. Use it to move the
            /// connection to another loop.
            ///
            /// # Errors
            /// Returns an error if the system refuses to make it blocking.
            ///
            /// ```
            /// use std::io::Write;
            ///
            #[doc = concat!("# fn example(stream: policy::net::", $path, ") -> std::io::Result<()> {")]
            /// stream.into_std()?.write_all(b"hello")?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn into_std(self) -> io::Result<$std> {
                self.socket.into_std()
            }

            pub(super) fn of(socket: Socket) -> Self {
                Self { socket }
            }

            pub(super) fn socket(&self) -> &Socket {
                &self.socket
            }

            /// Borrows the two directions for two parts of one task, at no cost.
            ///
            /// ```
            #[doc = concat!("# async fn example(stream: &mut policy::net::", $path, ") -> std::io::Result<u64> {")]
            /// let (reader, writer) = stream.split();
            /// policy::io::copy(reader, writer).await // an echo
            /// # }
            /// ```
            pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
                split::borrowed(self)
            }

            /// Splits the stream into its two directions, for a task each.
            ///
            /// ```
            #[doc = concat!("# async fn example(stream: policy::net::", $path, ") -> Result<(), Box<dyn std::error::Error>> {")]
            /// use futures_lite::AsyncWriteExt;
            ///
            /// let (reader, mut writer) = stream.into_split();
            /// let task = policy::spawn(async move { writer.write_all(b"ping").await.map(|()| writer) });
            /// let writer = task.await??;
            /// let stream = reader.reunite(writer)?;
            /// # let _stream = stream;
            /// # Ok(())
            /// # }
            /// ```
            pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
                split::owned(self)
            }
        }

        impl TryFrom<$std> for $stream {
            type Error = io::Error;

            fn try_from(stream: $std) -> io::Result<Self> {
                Self::from_std(stream)
            }
        }

        impl TryFrom<$stream> for $std {
            type Error = io::Error;

            fn try_from(stream: $stream) -> io::Result<Self> {
                stream.into_std()
            }
        }

        impl fmt::Debug for $stream {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($path)
                    .field("local", &self.local_addr().ok())
                    .field("peer", &self.peer_addr().ok())
                    .field("io", &self.socket)
                    .finish()
            }
        }

        stream_calls!($stream, $path);
        reads!($stream, &$stream);
        writes!($stream, &$stream);
        has_descriptor!($stream);
    };
}
