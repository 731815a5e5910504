//! Sockets before they connect, what they are ready for, their halves, and datagrams: on every
//! loop.

#![cfg(feature = "default-loop")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod net_support;

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::task::Poll;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use net_support::{connected, on_every_loop};
use policy::net::{ConnectError, Interests, SocketAddr, TcpListener, TcpSocket, UdpSocket};
use policy::selector::Interest;

const BOTH: fn() -> Interests = || Interests::READABLE | Interests::WRITABLE;

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_socket_connects_from_the_address_and_with_the_options_it_was_given() {
    on_every_loop(|| async {
        let server = TcpSocket::new_v4().unwrap();
        server.set_recv_buffer_size(32 * 1024).unwrap();
        server.set_reuseaddr(true).unwrap();
        assert!(server.reuseaddr().unwrap());
        server.bind(local()).unwrap();
        let listener = server.listen(8).unwrap();

        let client = TcpSocket::new_v4().unwrap();
        client.set_nodelay(true).unwrap();
        client.set_linger(Some(Duration::ZERO)).unwrap();
        client.set_keepalive(Some(Duration::from_secs(7))).unwrap();
        client.bind(local()).unwrap();
        let from = client.local_addr().unwrap();
        let stream = client.connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut accepted, peer) = listener.accept().await.unwrap();
        assert_eq!((peer, stream.local_addr().unwrap()), (from, from));
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.linger().unwrap(), Some(Duration::ZERO));
        assert_eq!(stream.keepalive().unwrap(), Some(Duration::from_secs(7)));
        #[cfg(target_os = "linux")]
        stream.set_quickack(true).unwrap();
        // A linger of nothing resets.
        drop(stream);
        assert_eq!(accepted.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn what_a_socket_can_not_do_is_an_error_of_the_system_that_names_the_address() {
    on_every_loop(|| async {
        let taken = TcpListener::bind(local()).await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        let in_use = socket.bind(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(in_use.kind(), ErrorKind::AddrInUse);
        // The wrong family, and a second address.
        assert!(socket.bind("[::1]:0".parse().unwrap()).unwrap_err().raw_os_error().is_some());
        socket.bind(local()).unwrap();
        assert_eq!(socket.bind(local()).unwrap_err().kind(), ErrorKind::InvalidInput);
        let own = socket.local_addr().unwrap();
        drop(taken);
        let free = std::net::TcpListener::bind(local()).unwrap().local_addr().unwrap();
        let refused = socket.connect(free).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(refused.to_string().contains(&free.to_string()), "{refused}");
        let cause = refused.into_inner().unwrap().downcast::<ConnectError>().unwrap();
        assert_eq!(cause.attempts()[0].0, free);
        // Given up half-way, its address is free again.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(own).unwrap();
        let far = "10.255.255.1:9".parse().unwrap();
        drop(future::poll_once(socket.connect(far)).await);
        // Zero and huge.
        drop(TcpSocket::new_v4().unwrap().listen(0).unwrap());
        drop(TcpSocket::new_v4().unwrap().listen(u32::MAX).unwrap());
        TcpSocket::new_v4().unwrap().set_send_buffer_size(0).unwrap();
        TcpSocket::new_v4().unwrap().set_recv_buffer_size(u32::MAX).unwrap();
        // The wrong kind: one that is connected already.
        let (client, _server) = connected().await;
        let connected = TcpSocket::from_std(client.into_std().unwrap()).unwrap();
        assert!(connected.listen(1).is_err());
    });
}

#[test]
fn without_a_loop_nothing_is_sent() {
    let listener = std::net::TcpListener::bind(local()).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let refused = future::block_on(socket.connect(listener.local_addr().unwrap())).unwrap_err();
    let ours: &policy::Error = refused.get_ref().unwrap().downcast_ref().unwrap();
    assert_eq!(ours.kind(), policy::ErrorKind::NoRunningLoop);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn readiness_says_for_what() {
    on_every_loop(|| async {
        let (stream, mut peer) = connected().await;
        let ready = stream.ready(BOTH()).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable() && !ready.is_error(), "{ready:?}");
        assert!(future::poll_once(stream.ready(Interests::READABLE)).await.is_none());
        peer.write_all(b"hello").await.unwrap();
        let ready = stream.ready(Interest::Readable).await.unwrap();
        assert!(ready.is_readable() && !ready.is_read_closed(), "{ready:?}");
        poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
        poll_fn(|cx| stream.poll_write_ready(cx)).await.unwrap();
        let (mut a, mut b) = ([0; 2], [0; 8]);
        let mut slices = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
        assert_eq!(stream.try_read_vectored(&mut slices).unwrap(), 5);
        assert_eq!((&a, &b[..3]), (b"he", &b"llo"[..]));
        assert_eq!(
            stream.try_read_vectored(&mut slices_of(&mut [0])).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(peer);
        let ready = stream.ready(Interests::READABLE).await.unwrap();
        assert!(ready.is_readable(), "{ready:?}");
        #[cfg(target_os = "linux")]
        assert!(ready.is_read_closed(), "{ready:?}");
    });
}

fn slices_of(buf: &mut [u8]) -> [IoSliceMut<'_>; 1] {
    [IoSliceMut::new(buf)]
}

#[test]
fn a_wait_for_both_directions_is_woken_by_either() {
    on_every_loop(|| async {
        let (stream, mut peer) = connected().await;
        // Until it is not writable any more.
        let chunk = vec![0; 1 << 20];
        loop {
            let full = loop {
                if let Err(error) = stream.try_write(&chunk) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
            if future::poll_once(stream.ready(Interests::WRITABLE)).await.is_none() {
                break;
            }
        }
        let mut waits = Box::pin(stream.ready(BOTH()));
        assert!(future::poll_once(&mut waits).await.is_none());
        peer.write_all(b"x").await.unwrap();
        let ready = waits.await.unwrap();
        assert!(ready.is_readable(), "{ready:?}");
        assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 1);
        let mut waits = Box::pin(stream.ready(BOTH()));
        if future::poll_once(&mut waits).await.is_none() {
            let draining = policy::spawn(async move {
                let mut room = vec![0; 1 << 20];
                while peer.read(&mut room).await.unwrap() > 0 {}
            });
            assert!(waits.await.unwrap().is_writable());
            draining.abort();
        }
    });
}

#[test]
fn an_operation_of_the_callers_waits_as_ours_do() {
    on_every_loop(|| async {
        let (stream, mut peer) = connected().await;
        let mut tries = 0;
        let refused = stream.try_io(Interests::READABLE, || stream.try_read(&mut [0; 8]));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut buf = [0; 8];
        {
            let mut waits = Box::pin(stream.async_io(Interests::READABLE, || {
                tries += 1;
                stream.try_read(&mut buf)
            }));
            assert!(future::poll_once(&mut waits).await.is_none());
            peer.write_all(b"hello").await.unwrap();
            assert_eq!(waits.await.unwrap(), 5);
        }
        assert!(tries > 1);
        let own = stream.async_io(BOTH(), || Err::<(), _>(ErrorKind::InvalidData.into())).await;
        assert_eq!(own.unwrap_err().kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn halves_wait_peek_and_try_for_their_direction() {
    on_every_loop(|| async {
        let (client, server) = connected().await;
        let (reader, _keep) = server.into_split();
        let (_keep_too, writer) = client.into_split();
        writer.writable().await.unwrap();
        assert!(writer.ready(Interests::WRITABLE).await.unwrap().is_writable());
        assert_eq!(writer.try_write(b"he").unwrap(), 2);
        let slices = [IoSlice::new(b"l"), IoSlice::new(b"lo")];
        assert_eq!(writer.try_write_vectored(&slices).unwrap(), 3);
        reader.readable().await.unwrap();
        let mut two = [0; 2];
        assert_eq!(reader.peek(&mut two).await.unwrap(), 2);
        let mut all = [0; 8];
        let mut read = 0;
        while read < 5 {
            reader.ready(Interests::READABLE).await.unwrap();
            read += reader.try_read(&mut all[read..]).unwrap();
        }
        assert_eq!((&two, &all[..5]), (b"he", &b"hello"[..]));
        let nothing = reader.try_read_vectored(&mut slices_of(&mut [0])).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_listener_is_polled_for_connections() {
    on_every_loop(|| async {
        let listener = TcpListener::bind(local()).await.unwrap();
        let none = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_pending())).await;
        assert!(none);
        let address = listener.local_addr().unwrap();
        let client = policy::spawn(async move {
            policy::net::TcpStream::connect(address).await.unwrap().local_addr().unwrap()
        });
        let (_stream, peer) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        assert_eq!(client.await.unwrap(), peer);
    });
}

#[test]
fn datagrams_are_polled_tried_and_told_from_truncated_ones() {
    on_every_loop(|| async {
        let (a, b) =
            (UdpSocket::bind(local()).await.unwrap(), UdpSocket::bind(local()).await.unwrap());
        let (from, to) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        let mut buf = [0; 64];
        assert!(future::poll_once(poll_fn(|cx| b.poll_recv(cx, &mut buf))).await.is_none());
        assert_eq!(b.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(poll_fn(|cx| a.poll_send_to(cx, b"one", to)).await.unwrap(), 3);
        assert_eq!(b.peek_sender().await.unwrap(), from);
        assert_eq!(poll_fn(|cx| b.poll_recv_from(cx, &mut buf)).await.unwrap(), (3, from));
        a.connect(to).await.unwrap();
        assert_eq!(poll_fn(|cx| a.poll_send(cx, b"two")).await.unwrap(), 3);
        assert_eq!(poll_fn(|cx| b.poll_recv(cx, &mut buf)).await.unwrap(), 3);
        poll_fn(|cx| a.poll_write_ready(cx)).await.unwrap();
        assert_eq!(a.try_send(b"three").unwrap(), 5);
        poll_fn(|cx| b.poll_read_ready(cx)).await.unwrap();
        assert_eq!(b.try_recv(&mut buf).unwrap(), 5);

        for (sent, truncated) in [(&b"exact"[..], false), (&b"longer"[..], true), (&b""[..], false)]
        {
            a.send(sent).await.unwrap();
            let received = b.recv_datagram(&mut buf[..5]).await.unwrap();
            assert_eq!(received.is_truncated(), truncated);
            assert_eq!((received.len(), received.sender()), (sent.len().min(5), &from));
        }
        let mut vec = Vec::new();
        a.send(&[7; 9000]).await.unwrap();
        assert_eq!(b.recv_buf(&mut vec).await.unwrap(), 9000);
        a.send(b"behind").await.unwrap();
        assert_eq!(b.recv_buf_from(&mut vec).await.unwrap(), (6, from));
        assert_eq!((vec.len(), &vec[9000..]), (9006, &b"behind"[..]));
        // A wait that is given up leaves the bytes that were there.
        assert!(future::poll_once(b.recv_buf(&mut vec)).await.is_none());
        assert_eq!(vec.len(), 9006);
    });
}

#[cfg(unix)]
mod unix {
    use policy::net::unix::{self, UnixDatagram, UnixListener, UnixStream};

    use super::*;

    #[test]
    fn datagrams_of_this_machine_have_the_same_calls() {
        on_every_loop(|| async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("server");
            let (server, client) =
                (UnixDatagram::bind(&path).unwrap(), UnixDatagram::unbound().unwrap());
            let mut buf = [0; 64];
            assert_eq!(server.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert_eq!(client.try_send_to(b"one", &path).unwrap(), 3);
            server.readable().await.unwrap();
            assert!(server.peek_sender().await.unwrap().is_unnamed());
            assert_eq!(server.peek(&mut buf).await.unwrap(), 3);
            assert_eq!(server.peek_from(&mut buf).await.unwrap().0, 3);
            assert_eq!(server.try_recv(&mut buf).unwrap(), 3);
            let address = unix::SocketAddr::from_pathname(&path).unwrap();
            assert_eq!(client.try_send_to_addr(b"two", &address).unwrap(), 3);
            assert_eq!(poll_fn(|cx| server.poll_recv_from(cx, &mut buf)).await.unwrap().0, 3);
            client.connect_addr(&address).unwrap();
            client.writable().await.unwrap();
            assert_eq!(poll_fn(|cx| client.poll_send(cx, b"longer")).await.unwrap(), 6);
            let received = server.recv_datagram(&mut buf[..3]).await.unwrap();
            assert!(received.is_truncated() && received.len() == 3);
            client.send(b"").await.unwrap();
            let received = server.recv_datagram(&mut []).await.unwrap();
            assert!(!received.is_truncated() && received.sender().is_unnamed());
            let mut vec = b"before".to_vec();
            client.send(&[7; 9000]).await.unwrap();
            vec.reserve_exact(9000);
            assert_eq!(server.recv_buf(&mut vec).await.unwrap(), 9000);
            assert_eq!(&vec[..7], b"before\x07");
            // Nobody is there any more.
            drop(server);
            let gone = client.try_send(b"x").unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn nobody_at_a_path_is_an_error_that_names_it() {
        on_every_loop(|| async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("nobody");
            for error in [
                UnixStream::connect(&path).await.map(drop).unwrap_err(),
                UnixDatagram::unbound().unwrap().connect(&path).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                assert!(error.to_string().contains("nobody"), "{error}");
                let inner = error.into_inner().unwrap().downcast::<unix::ConnectError>().unwrap();
                assert_eq!(inner.address().unwrap().as_pathname(), Some(&*path));
            }
            drop(UnixListener::bind(&path).unwrap());
            let gone = UnixStream::connect(&path).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_begins_with_nul_is_an_abstract_one() {
        use std::os::linux::net::SocketAddrExt;

        on_every_loop(|| async {
            let id = std::process::id();
            let name = format!("policy-sockets-{id}");
            let path = format!("\0{name}");
            let listener = UnixListener::bind(&path).unwrap();
            let address = listener.local_addr().unwrap();
            assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
            let client = UnixStream::connect(&path).await.unwrap();
            assert_eq!(client.peer_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
            let in_use = UnixListener::bind(&path).unwrap_err();
            assert_eq!(in_use.kind(), ErrorKind::AddrInUse);
            let accepted = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            drop((accepted, client, listener));
            let gone = UnixStream::connect(&path).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
            assert!(gone.to_string().contains(&name), "{gone}");

            let path = format!("\0policy-datagrams-{id}");
            let server = UnixDatagram::bind(&path).unwrap();
            let client = UnixDatagram::unbound().unwrap();
            client.send_to(b"hello", &path).await.unwrap();
            client.connect(&path).unwrap();
            assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 5);
            let twice = UnixDatagram::bind_addr(&server.local_addr().unwrap()).unwrap_err();
            assert_eq!(twice.kind(), ErrorKind::AddrInUse);
            // Too long, and a NUL inside of a path.
            let long = UnixListener::bind(format!("\0{}", "x".repeat(200))).unwrap_err();
            assert_eq!(long.kind(), ErrorKind::InvalidInput);
            let inside = UnixDatagram::bind("a\0b").unwrap_err();
            assert_eq!(inside.kind(), ErrorKind::InvalidInput);
        });
    }
}
