//! The halves of streams, for all streams.

/// Makes the halves of a stream with a method `socket`, and their reunion.
macro_rules! halves {
    // `example`: the first line of an example, which has a `stream`. `module`: where the halves
    // are, below `policy::net`.
    ($stream:ident, $module:literal, $example:literal) => {
        use std::fmt;
        use std::sync::Arc;

        use $crate::net::socket::Socket;

        /// The reading half of a borrowed stream, from its `split`.
        ///
        /// ```
        #[doc = $example]
        /// use futures_lite::AsyncReadExt;
        ///
        /// let (mut reader, _) = stream.split();
        /// reader.read(&mut [0; 64]).await?;
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $stream);

        /// The writing half of a borrowed stream, from its `split`.
        ///
        /// Closing it shuts down the writing side; dropping it does nothing.
        ///
        /// ```
        #[doc = $example]
        /// use futures_lite::AsyncWriteExt;
        ///
        /// let (_, mut writer) = stream.split();
        /// writer.write_all(b"hello").await?;
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $stream);

        /// The reading half of a stream, for a task of its own, from `into_split`.
        ///
        /// ```
        #[doc = $example]
        /// use futures_lite::AsyncReadExt;
        ///
        /// let (mut reader, _writer) = stream.into_split();
        /// let reading = policy::spawn(async move { reader.read(&mut [0; 64]).await });
        /// # drop(reading);
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$stream>);

        /// The writing half of a stream, for a task of its own, from `into_split`.
        ///
        /// Dropping it shuts down the writing side, like closing it: the peer reads the end.
        ///
        /// ```
        #[doc = $example]
        /// use futures_lite::AsyncWriteExt;
        ///
        /// let (_reader, mut writer) = stream.into_split();
        /// let writing = policy::spawn(async move { writer.write_all(b"hello").await });
        /// # drop(writing);
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$stream>,
            /// Whether dropping it ends the writing side.
            ends: bool,
        }

        /// The error of `reunite`: it returns two halves that are not from the same stream.
        ///
        /// ```
        #[doc = $example]
        /// let (reader, writer) = stream.into_split();
        /// if let Err(error) = reader.reunite(writer) {
        ///     let (_reader, _writer) = (error.0, error.1);
        /// }
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        pub(super) fn borrowed(stream: &$stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        pub(super) fn owned(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, ends: true })
        }

        impl ReadHalf<'_> {
            fn socket(&self) -> &Socket {
                self.0.socket()
            }
        }

        impl AsRef<$stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$stream {
                self.0
            }
        }

        impl WriteHalf<'_> {
            fn socket(&self) -> &Socket {
                self.0.socket()
            }
        }

        impl AsRef<$stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$stream {
                self.0
            }
        }

        impl OwnedReadHalf {
            fn socket(&self) -> &Socket {
                self.0.socket()
            }

            /// Reunites the halves into the stream.
            ///
            /// # Errors
            /// Returns both halves if they are from different streams.
            ///
            /// ```
            #[doc = $example]
            /// let (reader, writer) = stream.into_split();
            /// let stream = reader.reunite(writer).expect("they belong together");
            /// # drop(stream);
            /// # Ok(())
            /// # }
            /// ```
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                other.reunite(self)
            }
        }

        impl AsRef<$stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$stream {
                &self.0
            }
        }

        impl OwnedWriteHalf {
            fn socket(&self) -> &Socket {
                self.stream.socket()
            }

            /// Reunites the halves into the stream.
            ///
            /// # Errors
            /// Returns both halves if they are from different streams.
            ///
            /// ```
            #[doc = $example]
            /// let (reader, writer) = stream.into_split();
            /// let stream = reader.reunite(writer).expect("they belong together");
            /// # drop(stream);
            /// # Ok(())
            /// # }
            /// ```
            pub fn reunite(mut self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                if !Arc::ptr_eq(&self.stream, &other.0) {
                    return Err(ReuniteError(other, self));
                }
                self.ends = false;
                drop(other);
                let stream = self.stream.clone();
                drop(self);
                // There are two halves and no third: this is the last.
                Arc::try_unwrap(stream).map_err(|stream| {
                    let (read, write) = (OwnedReadHalf(stream.clone()), stream);
                    ReuniteError(read, OwnedWriteHalf { stream: write, ends: true })
                })
            }

            /// Drops the half without shutting down the writing side, which ends with the other
            /// half.
            ///
            /// ```
            #[doc = $example]
            /// let (reader, writer) = stream.into_split();
            /// writer.forget();
            /// # drop(reader);
            /// # Ok(())
            /// # }
            /// ```
            pub fn forget(mut self) {
                self.ends = false;
            }
        }

        impl AsRef<$stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.ends {
                    let _gone = self.socket().poll_close();
                }
            }
        }

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("these halves are of two streams; reunite those of one `into_split`")
            }
        }

        impl std::error::Error for ReuniteError {}

        ready_call!(ReadHalf<'_>, concat!($module, "::ReadHalf<'_>"));
        read_calls!(ReadHalf<'_>, concat!($module, "::ReadHalf<'_>"));
        ready_call!(OwnedReadHalf, concat!($module, "::OwnedReadHalf"));
        read_calls!(OwnedReadHalf, concat!($module, "::OwnedReadHalf"));
        ready_call!(WriteHalf<'_>, concat!($module, "::WriteHalf<'_>"));
        write_calls!(WriteHalf<'_>, concat!($module, "::WriteHalf<'_>"));
        ready_call!(OwnedWriteHalf, concat!($module, "::OwnedWriteHalf"));
        write_calls!(OwnedWriteHalf, concat!($module, "::OwnedWriteHalf"));

        reads!(ReadHalf<'_>, OwnedReadHalf);
        writes!(WriteHalf<'_>, OwnedWriteHalf);
    };
}
