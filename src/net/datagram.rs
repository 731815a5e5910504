//! The calls of datagram sockets, for types with a method `socket`.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;

use socket2::{MaybeUninitSlice, SockAddr, SockRef};

/// A received datagram: its length, its sender, and whether it was truncated.
///
/// ```
/// use policy::net::UdpSocket;
///
/// policy::run(async {
///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
///     let address = socket.local_addr()?;
///     socket.send_to(b"too long", address).await?;
///     let mut buf = [0; 3];
///     let received = socket.recv_datagram(&mut buf).await?;
///     assert!(received.is_truncated());
///     assert_eq!((&buf, received.sender()), (b"too", &address));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Received<A> {
    pub(super) len: usize,
    pub(super) sender: A,
    pub(super) is_truncated: bool,
}

impl<A> Received<A> {
    /// Returns how many bytes of the buffer were filled. A datagram may be empty.
    #[expect(clippy::len_without_is_empty, reason = "it is no container")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the sender's address.
    pub fn sender(&self) -> &A {
        &self.sender
    }

    /// Returns true if the datagram was longer than the buffer. The rest of it is lost.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

/// As the `recv_from` of socket2, and notes in `is_truncated` whether that was all.
pub(super) fn receive_noting(
    socket: &SockRef<'_>,
    room: &mut [MaybeUninit<u8>],
    is_truncated: &Cell<bool>,
) -> io::Result<(usize, SockAddr)> {
    let (len, flags, sender) = socket.recv_from_vectored(&mut [MaybeUninitSlice::new(room)])?;
    is_truncated.set(flags.is_truncated());
    Ok((len, sender))
}

/// Enough for any datagram of UDP.
const LARGEST: usize = 64 * 1024;

/// Receives into the room of a vector behind its bytes. It has those bytes only, if there is
/// nothing yet.
pub(super) fn append<T>(
    vec: &mut Vec<u8>,
    receive: impl FnOnce(&mut [u8]) -> io::Result<(usize, T)>,
) -> io::Result<(usize, T)> {
    let before = vec.len();
    if vec.capacity() == before {
        vec.reserve(LARGEST);
    }
    vec.resize(vec.capacity(), 0);
    let received = receive(vec.get_mut(before..).unwrap_or_default());
    vec.truncate(before + received.as_ref().map_or(0, |(len, _)| *len));
    received
}

/// Makes the methods that sockets of datagrams have. `$from_peer` calls a function of socket2
/// that receives, and makes of the sender's address what `$address` is; `$std` is std's type. They
/// have a field `socket` and a method `local_addr`.
macro_rules! datagram_calls {
    ($type:ident, $path:literal, $std:ty, $address:ty, $from_peer:path) => {
        wait_calls!($type, $path);

        impl $type {
            /// Converts a std socket and makes it non-blocking.
            ///
            /// # Errors
            /// Returns an error if the system refuses.
            ///
            /// ```
            #[doc = concat!("# fn example(socket: ", stringify!($std), ") -> std::io::Result<()> {")]
            #[doc = concat!("let socket = policy::net::", $path, "::from_std(socket)?;")]
            /// # let _socket = socket;
            /// # Ok(())
            /// # }
            /// ```
            pub fn from_std(socket: $std) -> ::std::io::Result<Self> {
                Ok(Self { socket: $crate::net::socket::Socket::new(socket)? })
            }

            /// Converts into a std socket, which blocks and belongs to no loop.
            ///
            /// # Errors
            /// Returns an error if the system refuses to make it blocking.
            ///
            /// ```
            #[doc = concat!("# fn example(socket: policy::net::", $path, ") -> std::io::Result<()> {")]
            #[doc = concat!("let socket: ", stringify!($std), " = socket.into_std()?;")]
            /// # let _socket = socket;
            /// # Ok(())
            /// # }
            /// ```
            pub fn into_std(self) -> ::std::io::Result<$std> {
                self.socket.into_std()
            }

            fn socket(&self) -> &$crate::net::socket::Socket {
                &self.socket
            }

            /// Like [`recv`](Self::recv), but leaves the datagram in the queue.
            ///
            /// # Errors
            /// Returns the errors of [`recv`](Self::recv).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let (mut first, mut same) = ([0; 4], [0; 4]);
            /// stream.peek(&mut first).await?;
            /// stream.recv(&mut same).await?;
            /// assert_eq!(first, same);
            /// # Ok(())
            /// # }
            /// ```
            pub async fn peek(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| $crate::net::socket::peek(io, buf))
                    .await
            }

            /// Like [`recv_from`](Self::recv_from), but leaves the datagram in the queue.
            ///
            /// # Errors
            /// Returns the errors of [`recv_from`](Self::recv_from).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let (len, peer) = stream.peek_from(&mut [0; 1024]).await?;
            /// println!("{len} bytes of {peer:?} are next");
            /// # Ok(())
            /// # }
            /// ```
            pub async fn peek_from(&self, buf: &mut [u8]) -> ::std::io::Result<(usize, $address)> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| {
                        $from_peer(io, buf, |io, room| io.peek_from(room))
                    })
                    .await
            }

            /// Waits until a datagram has arrived.
            ///
            /// # Errors
            /// Returns the errors of [`ready`](Self::ready).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// stream.readable().await?;
            /// println!("{:?}", stream.try_recv_from(&mut [0; 1024]));
            /// # Ok(())
            /// # }
            /// ```
            pub async fn readable(&self) -> ::std::io::Result<()> {
                self.socket().ready($crate::net::Interests::READABLE).await.map(drop)
            }

            /// Waits until there is room to send, to the peer if there is one.
            ///
            /// # Errors
            /// Returns the errors of [`ready`](Self::ready).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// stream.writable().await?;
            /// # Ok(())
            /// # }
            /// ```
            pub async fn writable(&self) -> ::std::io::Result<()> {
                self.socket().ready($crate::net::Interests::WRITABLE).await.map(drop)
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

            /// Polls for a datagram; see [`recv`](Self::recv).
            ///
            /// # Errors
            /// Returns the errors of [`recv`](Self::recv).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let mut buf = [0; 1500];
            /// let len = std::future::poll_fn(|cx| stream.poll_recv(cx, &mut buf)).await?;
            /// println!("{:?}", &buf[..len]);
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_recv(
                &self,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let op = |io: &$crate::io::BorrowedIo<'_>| $crate::net::socket::recv(io, buf);
                self.socket().poll_with(cx, ::policy_core::Interest::Readable, op)
            }

            /// Polls for a datagram and its sender; see [`recv_from`](Self::recv_from).
            ///
            /// # Errors
            /// Returns the errors of [`recv_from`](Self::recv_from).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let mut buf = [0; 1500];
            /// let (len, _) = std::future::poll_fn(|cx| stream.poll_recv_from(cx, &mut buf)).await?;
            /// println!("{:?}", &buf[..len]);
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_recv_from(
                &self,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<(usize, $address)>> {
                self.socket().poll_with(cx, ::policy_core::Interest::Readable, |io| {
                    $from_peer(io, buf, |io, room| io.recv_from(room))
                })
            }

            /// Polls for room to send, and sends to the peer; see [`send`](Self::send).
            ///
            /// # Errors
            /// Returns the errors of [`send`](Self::send).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// std::future::poll_fn(|cx| stream.poll_send(cx, b"hello")).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn poll_send(
                &self,
                cx: &mut ::std::task::Context<'_>,
                buf: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let op = |io: &$crate::io::BorrowedIo<'_>| $crate::net::socket::send(io, buf);
                self.socket().poll_with(cx, ::policy_core::Interest::Writable, op)
            }

            /// Receives a datagram that has arrived, without waiting.
            ///
            /// # Errors
            /// Returns [`WouldBlock`](::std::io::ErrorKind::WouldBlock) if none has arrived.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// println!("{:?}", stream.try_recv(&mut [0; 1500]));
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_recv(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::recv(io, buf))
            }

            /// Sends a datagram to the peer, without waiting.
            ///
            /// # Errors
            /// Returns [`WouldBlock`](::std::io::ErrorKind::WouldBlock) if there is no room.
            ///
            /// ```
            #[doc = net_example!($path)]
            /// println!("{:?}", stream.try_send(b"hello"));
            /// # Ok(())
            /// # }
            /// ```
            pub fn try_send(&self, buf: &[u8]) -> ::std::io::Result<usize> {
                self.socket().try_with(|io| $crate::net::socket::send(io, buf))
            }

            /// Receives a datagram, and reports whether it was longer than `buf`: the other calls
            /// truncate it silently (on Windows they return an error).
            ///
            /// # Errors
            /// Returns the errors of [`recv_from`](Self::recv_from).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let mut buf = [0; 512];
            /// let received = stream.recv_datagram(&mut buf).await?;
            /// if received.is_truncated() {
            ///     eprintln!("more than 512 bytes from {:?}", received.sender());
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub async fn recv_datagram(
                &self,
                buf: &mut [u8],
            ) -> ::std::io::Result<$crate::net::Received<$address>> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| {
                        let is_truncated = ::std::cell::Cell::new(false);
                        let (len, sender) = $from_peer(io, buf, |io, room| {
                            $crate::net::datagram::receive_noting(io, room, &is_truncated)
                        })?;
                        let is_truncated = is_truncated.get();
                        Ok($crate::net::Received { len, sender, is_truncated })
                    })
                    .await
            }

            /// Receives a datagram and appends it to a vector, within its capacity; if there is
            /// none left, the vector first gets room for any datagram. Returns the length of the
            /// datagram.
            ///
            /// # Errors
            /// Returns the errors of [`recv`](Self::recv).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let mut buf = Vec::new();
            /// let len = stream.recv_buf(&mut buf).await?;
            /// assert_eq!(buf.len(), len);
            /// # Ok(())
            /// # }
            /// ```
            pub async fn recv_buf(&self, buf: &mut Vec<u8>) -> ::std::io::Result<usize> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| {
                        $crate::net::datagram::append(buf, |room| {
                            Ok(($crate::net::socket::recv(io, room)?, ()))
                        })
                    })
                    .await
                    .map(|(len, ())| len)
            }

            /// Like [`recv_buf`](Self::recv_buf), but also returns the sender.
            ///
            /// # Errors
            /// Returns the errors of [`recv_from`](Self::recv_from).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// let (len, sender) = stream.recv_buf_from(&mut Vec::with_capacity(1500)).await?;
            /// println!("{len} bytes of {sender:?}");
            /// # Ok(())
            /// # }
            /// ```
            pub async fn recv_buf_from(
                &self,
                buf: &mut Vec<u8>,
            ) -> ::std::io::Result<(usize, $address)> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| {
                        $crate::net::datagram::append(buf, |room| {
                            $from_peer(io, room, |io, room| io.recv_from(room))
                        })
                    })
                    .await
            }

            /// Waits for a datagram and returns its sender, without removing the datagram from the
            /// queue.
            ///
            /// # Errors
            /// Returns the errors of [`recv_from`](Self::recv_from).
            ///
            /// ```
            #[doc = net_example!($path)]
            /// println!("the next one is from {:?}", stream.peek_sender().await?);
            /// # Ok(())
            /// # }
            /// ```
            pub async fn peek_sender(&self) -> ::std::io::Result<$address> {
                self.socket()
                    .with(::policy_core::Interest::Readable, |io| {
                        let peek =
                            |io: &::socket2::SockRef<'_>, _: &mut [_]| Ok((0, io.peek_sender()?));
                        $from_peer(io, &mut [], peek)
                    })
                    .await
                    .map(|(_, sender)| sender)
            }
        }

        impl TryFrom<$std> for $type {
            type Error = ::std::io::Error;

            fn try_from(socket: $std) -> ::std::io::Result<Self> {
                Self::from_std(socket)
            }
        }

        impl TryFrom<$type> for $std {
            type Error = ::std::io::Error;

            fn try_from(socket: $type) -> ::std::io::Result<Self> {
                socket.into_std()
            }
        }

        impl ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct($path)
                    .field("local", &self.local_addr().ok())
                    .field("io", &self.socket)
                    .finish()
            }
        }

        has_descriptor!($type);
    };
}
