//! A descriptor that somebody else has closed. Its number may be given to anybody in the
//! process, so this file has one test.

#![cfg(all(unix, feature = "default-loop"))]
#![allow(unsafe_code, reason = "the fault itself: a descriptor is closed behind its owner's back")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

mod net_support;

use std::mem;
use std::os::fd::AsRawFd;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use net_support::{connected, on_every_loop};
use policy::net::unix::pipe;
use policy::net::{AsyncFd, TcpListener, TcpSocket, UdpSocket, UnixDatagram};

fn close(io: &impl AsRawFd) {
    // SAFETY: none, which is the point: the owners below are forgotten, and no other
    // thread opens anything meanwhile.
    assert_eq!(unsafe { libc::close(io.as_raw_fd()) }, 0);
}

#[test]
fn a_descriptor_that_somebody_closed_is_an_error_and_no_hang() {
    const EBADF: Option<i32> = Some(libc::EBADF);
    on_every_loop(|| async {
        // Never waited for.
        let (mut fresh, peer) = connected().await;
        close(&fresh);
        assert_eq!(fresh.read(&mut [0]).await.unwrap_err().raw_os_error(), EBADF);
        assert_eq!(fresh.write(b"x").await.unwrap_err().raw_os_error(), EBADF);
        assert!(fresh.local_addr().is_err());
        mem::forget(fresh);
        drop(peer);

        // Waited for before, and so known to the reactor.
        let (mut known, peer) = connected().await;
        assert!(future::poll_once(known.read(&mut [0])).await.is_none());
        close(&known);
        assert_eq!(known.read(&mut [0]).await.unwrap_err().raw_os_error(), EBADF);
        assert_eq!(known.write(b"x").await.unwrap_err().raw_os_error(), EBADF);
        mem::forget(known);
        drop(peer);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(future::poll_once(listener.accept()).await.is_none());
        close(&listener);
        assert_eq!(listener.accept().await.unwrap_err().raw_os_error(), EBADF);
        mem::forget(listener);

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert!(future::poll_once(socket.recv(&mut [0])).await.is_none());
        close(&socket);
        assert_eq!(socket.recv(&mut [0]).await.unwrap_err().raw_os_error(), EBADF);
        mem::forget(socket);

        let (sender, mut receiver) = pipe::pipe().unwrap();
        assert!(future::poll_once(receiver.read(&mut [0])).await.is_none());
        close(&receiver);
        assert_eq!(receiver.read(&mut [0]).await.unwrap_err().raw_os_error(), EBADF);
        close(&sender);
        assert_eq!(sender.try_write(b"x").unwrap_err().raw_os_error(), EBADF);
        mem::forget((sender, receiver));

        let (datagrams, _peer) = UnixDatagram::pair().unwrap();
        assert!(future::poll_once(datagrams.recv(&mut [0])).await.is_none());
        close(&datagrams);
        assert_eq!(datagrams.recv(&mut [0]).await.unwrap_err().raw_os_error(), EBADF);
        assert_eq!(datagrams.send(b"x").await.unwrap_err().raw_os_error(), EBADF);
        mem::forget(datagrams);

        let unconnected = TcpSocket::new_v4().unwrap();
        close(&unconnected);
        assert!(unconnected.bind("127.0.0.1:0".parse().unwrap()).is_err());
        mem::forget(unconnected);

        // Waited for by a duplicate, so the number alone is nobody's any more.
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let own = AsyncFd::new(ours).unwrap();
        assert!(future::poll_once(own.readable()).await.is_none());
        close(&own);
        drop(theirs);
        let mut guard = own.readable().await.unwrap();
        let read = guard.try_io(|own| std::io::Read::read(&mut own.get_ref(), &mut [0]));
        assert_eq!(read.unwrap().unwrap_err().raw_os_error(), EBADF);
        mem::forget(own);
    });
}
